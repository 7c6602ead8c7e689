//! A debugger's data files: gdb's data directory and, for a gdb with Python, the modules of Python's
//! standard library.

use std::path::{Component, Path, PathBuf};

/// The C library's directory in Debian on amd64.
const LIBC_DIRECTORY: &str = "usr/lib/x86_64-linux-gnu";

/// Parts of Python's library that neither the interpreter's start nor gdb's commands import: compiled
/// modules, tests, network protocols, user interfaces and installers.
const EXCLUDED: &[&str] = &[
    "__pycache__",
    "__phello__",
    "_pyrepl",
    "asyncio",
    "ctypes",
    "curses",
    "dbm",
    "dist-packages",
    "distutils",
    "email",
    "ensurepip",
    "html",
    "http",
    "idlelib",
    "lib-dynload",
    "lib2to3",
    "multiprocessing",
    "pydoc_data",
    "site-packages",
    "sqlite3",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
    "unittest",
    "venv",
    "wsgiref",
    "xml",
    "xmlrpc",
];

/// The conversion from gdb's host character set to UTF-32, without which gdb prints a warning, and the
/// list that names it; relative to the C library's directory.
pub(super) const CONVERSION: [&str; 2] = ["gconv/UTF-32.so", "gconv/gconv-modules"];

/// Whether a path, relative to the root directory and without links, is a data file.
pub(super) fn is_data(path: &Path) -> bool {
    match path.strip_prefix("usr/share/gdb") {
        Ok(below) => is_gdb_data(below),
        Err(_) => is_python_module(path) || is_conversion(path),
    }
}

/// Whether a path, relative to gdb's data directory, is a Python module or a list of system calls.
pub(super) fn is_gdb_data(below: &Path) -> bool {
    let has_extension = |wanted| below.extension().is_some_and(|extension| extension == wanted);
    below.starts_with("python") && has_extension("py")
        || below.starts_with("syscalls") && has_extension("xml")
}

fn is_conversion(path: &Path) -> bool {
    path.strip_prefix(LIBC_DIRECTORY)
        .is_ok_and(|below| CONVERSION.iter().any(|name| below == Path::new(name)))
}

/// Recognises `usr/lib/python3.13/re/_parser.py`.
fn is_python_module(path: &Path) -> bool {
    let Ok(below) = path.strip_prefix("usr/lib") else { return false };
    let mut parts = below.components();
    let library = parts.next().and_then(name);
    library.is_some_and(|name| name.starts_with("python3.")) && is_module(parts.as_path())
}

/// Whether a path, relative to the directory of Python's library, is a module that gdb may import.
pub(super) fn is_module(below: &Path) -> bool {
    let mut directories = below.parent().into_iter().flat_map(Path::components).filter_map(name);
    let excluded = directories.any(|name| EXCLUDED.contains(&name) || name.starts_with("config-"));
    below.extension().is_some_and(|extension| extension == "py") && !excluded
}

/// Returns the directory of compiled modules for the path of `os.py`, that is, once for each library.
/// Python prints a warning if the directory does not exist, even if it needs no compiled module.
pub(super) fn landmark(module: &Path) -> Option<PathBuf> {
    let library = module.parent().filter(|_| module.ends_with("os.py"))?;
    let is_python = library.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3"));
    is_python.then(|| library.join("lib-dynload"))
}

fn name(part: Component<'_>) -> Option<&str> {
    part.as_os_str().to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_python_modules_that_gdb_may_import_are_kept() {
        let kept = [
            "usr/lib/python3.13/os.py",
            "usr/lib/python3.13/re/_parser.py",
            "usr/lib/x86_64-linux-gnu/gconv/UTF-32.so",
            "usr/share/gdb/python/gdb/types.py",
        ];
        let left = [
            "usr/lib/python3.13/test/support/os.py",
            "usr/lib/python3.13/config-3.13-x86_64-linux-gnu/x.py",
            "usr/lib/python3.13/lib-dynload/_bz2.cpython-313-x86_64-linux-gnu.so",
            "usr/lib/python3/dist-packages/apt.py",
            "usr/share/gdb/auto-load/x.py",
            "usr/lib/x86_64-linux-gnu/gconv/BIG5.so",
            "usr/share/doc/gdb/copyright",
        ];
        for path in kept {
            assert!(is_data(Path::new(path)), "{path}");
        }
        for path in left {
            assert!(!is_data(Path::new(path)), "{path}");
        }
    }
}
