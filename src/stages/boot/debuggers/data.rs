//! What a debugger needs besides programs and libraries: gdb's own data, and for a gdb with
//! Python the modules of Python's library.

use std::path::{Component, Path, PathBuf};

/// Where Debian has the C library on amd64.
const LIBC_FOLDER: &str = "usr/lib/x86_64-linux-gnu";

/// Parts of Python's library that neither its start nor gdb's own commands import: compiled
/// modules, tests, networks, windows, and what installs other things.
const LEFT_OUT: &[&str] = &[
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

/// Below the C library's folder: the conversion from gdb's host character set to UTF-32, without
/// which gdb warns, and the list that names it.
pub const CONVERSION: [&str; 2] = ["gconv/UTF-32.so", "gconv/gconv-modules"];

/// Whether a path is one of those files. It is relative to the root, without links on the way.
pub fn is_data(path: &Path) -> bool {
    match path.strip_prefix("usr/share/gdb") {
        Ok(below) => is_gdb_data(below),
        Err(_) => is_python_module(path) || is_conversion(path),
    }
}

/// Below gdb's data directory: its Python modules and the names of system calls.
pub fn is_gdb_data(below: &Path) -> bool {
    let ending = |wanted| below.extension().is_some_and(|found| found == wanted);
    below.starts_with("python") && ending("py") || below.starts_with("syscalls") && ending("xml")
}

fn is_conversion(path: &Path) -> bool {
    path.strip_prefix(LIBC_FOLDER).is_ok_and(|below| CONVERSION.iter().any(|name| below == Path::new(name)))
}

/// `usr/lib/python3.13/re/_parser.py`
fn is_python_module(path: &Path) -> bool {
    let Ok(below) = path.strip_prefix("usr/lib") else { return false };
    let mut parts = below.components();
    let library = parts.next().and_then(name);
    library.is_some_and(|name| name.starts_with("python3.")) && is_module(parts.as_path())
}

/// Below the folder of Python's library.
pub fn is_module(below: &Path) -> bool {
    let mut folders = below.parent().into_iter().flat_map(Path::components).filter_map(name);
    let left_out = folders.any(|folder| LEFT_OUT.contains(&folder) || folder.starts_with("config-"));
    below.extension().is_some_and(|ending| ending == "py") && !left_out
}

/// The folder of compiled modules, which Python misses aloud even where it needs none of them.
///
/// For the path of one module of its library, so that there is one for each library.
pub fn landmark(module: &Path) -> Option<PathBuf> {
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
    fn modules_that_gdb_may_import_are_kept_and_the_rest_of_python_is_not() {
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
