//! What a package says of itself in words, and what a kernel's does.

use super::Job;
use crate::base::options::{Format, Part};

/// The same in either format.
pub(super) struct About {
    pub name: String,
    /// Upstream's; [`About::version`] adds the revision.
    pub version: String,
    pub revision: u32,
    /// One line, without a full stop.
    pub summary: String,
    /// Of the description, each in one line.
    pub paragraphs: Vec<String>,
    pub homepage: Option<&'static str>,
    /// Items of the changelog.
    pub changes: Vec<String>,
}

/// Characters of a line of a description.
const WIDTH: usize = 78;

impl About {
    /// `6.1.187-1`: the same notation in both formats.
    pub fn version(&self) -> String {
        format!("{}-{}", self.version, self.revision)
    }

    /// Paragraphs, each as lines of at most 78 characters (but for words that are longer).
    pub fn description(&self) -> Vec<String> {
        self.paragraphs.iter().map(|text| wrap(text, WIDTH)).collect()
    }
}

/// Breaks between words.
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

/// Of a kernel's package.
pub(super) fn of(job: &Job, format: Format) -> About {
    let order = job.order;
    let what = format!("Linux {}, series {}: {}", order.upstream, order.series, order.title);
    About {
        name: match format {
            Format::Deb => job.names.deb(job.part),
            Format::Rpm => job.names.rpm(job.part),
        },
        version: job.names.upstream.clone(),
        revision: job.names.revision,
        summary: summary(job),
        paragraphs: description(job).into(),
        homepage: Some("https://www.kernel.org/"),
        changes: std::iter::once(what).chain(order.patches.iter().cloned()).collect(),
    }
}

fn summary(job: &Job) -> String {
    let (upstream, series) = (&job.order.upstream, &job.order.series);
    match job.part {
        Part::Image => format!("Linux {upstream} with the io_thread series {series}"),
        Part::Headers => {
            format!("Headers of Linux {upstream} with the series {series}, to build modules with")
        }
        Part::Debug => format!("Debug information of Linux {upstream} with the io_thread series {series}"),
        Part::LibcDev => format!("Headers of Linux {upstream} for user programs"),
    }
}

fn description(job: &Job) -> [String; 2] {
    let release = &job.names.release;
    let what = match job.part {
        Part::Image => format!("The Linux kernel, its modules and the data to load them, as {release}."),
        Part::Headers => {
            format!(
                "What building a module for the kernel {release} needs: headers, makefiles and host programs."
            )
        }
        Part::Debug => {
            format!(
                "The kernel {release} and its modules with the debug information for crash, perf and gdb."
            )
        }
        Part::LibcDev => {
            format!("The interface of the kernel {release} to the C library and to programs, as C headers.")
        }
    };
    [what, format!("The series {}: {}.", job.order.series, job.order.title.trim_end_matches('.'))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_broken_between_words() {
        let wrapped = wrap(&"word ".repeat(40), WIDTH);
        assert!(wrapped.lines().all(|line| line.starts_with("word") && line.len() <= WIDTH), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().count(), 40);
        assert_eq!(wrap("one  two three", 7), "one two\nthree");
        assert_eq!(wrap("", 7), "");
    }
}
