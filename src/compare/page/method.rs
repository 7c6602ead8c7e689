//! The section of the page about how the kernels were built and measured.

use maud::{Markup, html};

use crate::base::options::Accel;
use crate::compare::matrix::Table;
use crate::compare::{Cell, Comparison};

/// The section `How it was measured`.
pub(super) fn section(comparison: &Comparison, table: &Table) -> Markup {
    let entries = entries(comparison, table);
    html! {
        section id="how" aria-labelledby="how-h" {
            h2 id="how-h" { "How it was measured" }
            p {
                "Every kernel was built from the same source tree and booted separately. In the guest, a probe starts a "
                "64-bit and a 32-bit process with io threads and inspects each thread as a debugger would"
                @if !table.debuggers.is_empty() { "; then real debuggers attach to such processes" }
                ". A claim states what a boot shows with a series, whether that is good or bad for debuggers. Every claim "
                "is checked against the boot."
            }
            dl class="facts" {
                @for (name, values) in &entries {
                    @if !values.is_empty() {
                        dt { (name) }
                        @for value in values { dd { (value) } }
                    }
                }
                @if let Some(command) = &comparison.command { dt { "Command" } dd { code { (command) } } }
            }
            (kernels(comparison))
        }
    }
}

/// Name and values of each fact; a fact without values is left out.
fn entries(comparison: &Comparison, table: &Table) -> [(&'static str, Vec<String>); 8] {
    let builds = || comparison.cells.iter().filter_map(|cell| cell.build.as_ref());
    let sources = || builds().filter_map(|build| build.source.as_ref());
    let toolchains = builds().filter_map(|build| build.toolchain.as_ref());
    let source = unique(sources().map(|source| {
        let origin = source.origin.name();
        format!("{}, from {origin}; SHA-256 {}", source.url, source.sha256)
    }));
    let verification = unique(
        sources()
            .map(|source| source.verified_by.clone().unwrap_or_else(|| "not verified (--no-verify)".into())),
    );
    let toolchain = unique(toolchains.map(|tools| {
        let rust = tools.rustc.iter().chain(&tools.bindgen);
        let all = [&tools.cc, &tools.ld].into_iter().chain(rust);
        all.cloned().collect::<Vec<_>>().join(", ")
    }));
    let accelerators = unique(comparison.cells.iter().map(|cell| match cell.boot.accelerator {
        Accel::Kvm => "QEMU with KVM".to_owned(),
        Accel::Tcg => "QEMU with TCG, which emulates the processor".to_owned(),
    }));
    let kconfigs = unique(comparison.cells.iter().map(|cell| cell.kconfig.join(", ")));
    let releases = unique(comparison.cells.iter().map(|cell| cell.release.to_string()));
    let debuggers: Vec<String> = table.debuggers.iter().map(ToString::to_string).collect();
    [
        ("Release", releases),
        ("Source", source),
        ("Verified by", verification),
        ("Kernel configuration", kconfigs),
        ("Toolchain", toolchain),
        ("Machine", accelerators),
        ("Debuggers", if debuggers.is_empty() { vec!["none".into()] } else { debuggers }),
        ("Tool", comparison.tool.iter().map(ToString::to_string).collect()),
    ]
}

/// Each value once.
fn unique(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for value in values {
        if !unique.contains(&value) {
            unique.push(value);
        }
    }
    unique
}

fn kernels(comparison: &Comparison) -> Markup {
    let built = |cell: &Cell| cell.build.as_ref().and_then(|build| build.kernel.clone());
    let kernels: Vec<_> = comparison.cells.iter().filter_map(built).collect();
    html! {
        @if !kernels.is_empty() {
            details class="more" {
                summary { "Checksums of the kernels" }
                div class="scroll" role="group" aria-label="Checksums of the kernels" tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "Kernel" } th scope="col" { "SHA-256 of the image" } th scope="col" { "SHA-256 of the configuration" } } }
                        tbody {
                            @for kernel in &kernels {
                                tr {
                                    th scope="row" { (kernel.release) }
                                    td { code { (kernel.image_sha256) } }
                                    td { code { (kernel.config_sha256) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
