//! Package descriptions: name, version and texts, the same in both formats.

use super::job::PackageJob;
use crate::base::options::{Format, Part};

/// Maintainer of the `.deb` and packager of the `.rpm`. Nobody can own a `.invalid` domain (RFC 2606).
pub(super) const MAINTAINER: &str = "kpatch-build <kpatch-build@kpatch-build.invalid>";

/// Name, version and texts of a package.
pub(super) struct PackageInfo {
    pub(super) name: String,
    /// The upstream version; [`PackageInfo::version`] appends the revision.
    pub(super) version: String,
    pub(super) revision: u32,
    /// One line, without a full stop.
    pub(super) summary: String,
    /// Paragraphs of the description, one line each.
    pub(super) paragraphs: Vec<String>,
    /// SPDX licence expression.
    pub(super) licence: &'static str,
    pub(super) homepage: Option<&'static str>,
    /// Items of the changelog.
    pub(super) changes: Vec<String>,
}

/// Characters in a line of a description.
const WIDTH: usize = 78;

impl PackageInfo {
    /// The version in the notation of both formats: `6.1.187-1`.
    pub(super) fn version(&self) -> String {
        format!("{}-{}", self.version, self.revision)
    }

    /// The paragraphs, wrapped to lines of at most 78 characters; longer words stay whole.
    pub(super) fn description(&self) -> Vec<String> {
        self.paragraphs.iter().map(|text| wrap(text, WIDTH)).collect()
    }

    /// Describes a kernel's package.
    pub(super) fn of_kernel(job: &PackageJob, format: Format) -> PackageInfo {
        let request = job.request;
        let kernel = format!("Linux {}, series {}: {}", request.upstream, request.series, request.title);
        PackageInfo {
            name: match format {
                Format::Deb => job.names.deb(job.part),
                Format::Rpm => job.names.rpm(job.part),
            },
            version: job.names.upstream.clone(),
            revision: job.names.revision,
            summary: kernel_summary(job),
            paragraphs: kernel_description(job),
            licence: "GPL-2.0-only",
            homepage: Some("https://www.kernel.org/"),
            changes: std::iter::once(kernel).chain(request.patches.iter().cloned()).collect(),
        }
    }
}

/// Returns the packages, named alike in Debian and Fedora, of the programs that the Makefile of the headers runs.
///
/// It calls compiler and linker by the names without a version (`CC` and `LLVM` in the kernel's top Makefile), which
/// only the packages without a version contain. `compiler` is the one that built the kernel: `gcc 12.2.0`.
pub(super) fn build_tools(compiler: &str) -> &'static [&'static str] {
    match compiler.split(' ').next() {
        Some("clang") => &["clang", "lld", "llvm", "make"],
        _ => &["gcc", "make"],
    }
}

/// Wraps `text` between words to lines of at most `width` characters.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("never empty");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

fn kernel_summary(job: &PackageJob) -> String {
    let (upstream, series) = (&job.request.upstream, &job.request.series);
    match job.part {
        Part::Image => format!("Linux {upstream} with the io_thread series {series}"),
        Part::Headers => format!("Headers to build modules for Linux {upstream} with the series {series}"),
        Part::Debug => format!("Debug information of Linux {upstream} with the io_thread series {series}"),
        Part::LibcDev => format!("Linux {upstream} headers for user-space programs"),
    }
}

fn kernel_description(job: &PackageJob) -> Vec<String> {
    let release = &job.names.release;
    let contents = match job.part {
        Part::Image => format!("The Linux kernel {release}, its modules and their dependency lists."),
        Part::Headers => {
            format!("Headers, makefiles and host programs to build modules for the kernel {release}.")
        }
        Part::Debug => {
            format!(
                "The kernel {release} and its modules with their debug information, for crash, perf and gdb."
            )
        }
        Part::LibcDev => {
            format!("The interface of the kernel {release} to the C library and to programs, as C headers.")
        }
    };
    let request = job.request;
    let series = format!("Patch series {}: {}.", request.series, request.title.trim_end_matches('.'));
    let mut paragraphs = vec![contents, series];
    if let Some(lacking) = job.missing_for_disk {
        paragraphs.push(format!(
            "This kernel is for tests in a virtual machine. It cannot start a machine with a disk, because it lacks \
             {lacking}. The package does not add it to the boot loader; the image is \
             /lib/modules/{release}/vmlinuz."
        ));
    }
    paragraphs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_need_the_programs_that_their_makefile_calls() {
        assert_eq!(build_tools("gcc 12.2.0"), ["gcc", "make"]);
        assert_eq!(build_tools("clang 14.0.6"), ["clang", "lld", "llvm", "make"]);
    }

    #[test]
    fn long_texts_are_wrapped_between_words() {
        let wrapped = wrap(&"word ".repeat(40), WIDTH);
        assert!(wrapped.lines().all(|line| line.starts_with("word") && line.len() <= WIDTH), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().count(), 40);
        assert_eq!(wrap("one  two three", 7), "one two\nthree");
        assert_eq!(wrap("", 7), "");
    }
}
