//! What both formats say in words about a kernel's package.

use super::{About, Job};
use crate::plan::{Format, Part};

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
