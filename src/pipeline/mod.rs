//! The pipeline: every stage of a run, in order. Read this first.
//!
//! A [`request::Request`] states the goal. [`check()`] refuses a request that can never succeed,
//! [`plan::resolve`] determines every detail, and [`run()`] calls the stages and records each of
//! them in `report.json`.

mod check;
mod keys;
pub mod plan;
mod recorder;
pub mod request;
mod run;

use std::path::{Path, PathBuf};

pub use self::check::check;
pub use self::keys::{StageKey, plan};
pub use self::run::{Finished, boot_image, run};
use crate::base::context::Context;
use crate::base::error::{Explain, Failure};
use crate::base::events::Stage;
use crate::base::options::{Goal, Lang};
use crate::pipeline::request::Request;
use crate::stages::patch::check::SeriesCheck;
use crate::stages::unpack::{self, TreeCheck};
use crate::stages::{boot, fetch, patch, verify};

/// `series check`: tries every shipped series on the request's release, without building.
///
/// # Errors
/// The release cannot be fetched, verified or unpacked; a series that does not apply is not an error.
pub fn check_series(
    cx: &Context,
    request: Request,
    only: Option<&str>,
    langs: &[Lang],
) -> Result<Vec<SeriesCheck>, Failure> {
    fn failed<E: Explain>(stage: Stage) -> impl Fn(E) -> Failure {
        move |error| Failure::new(Some(stage), &error)
    }
    let request = Request { series: "none".into(), ..request };
    check(&request, Goal::Patch)?;
    let plan = plan::resolve(cx, &request, Goal::Patch)?;
    let tarball = fetch::fetch(cx, &plan.offers).map_err(failed(Stage::Fetch))?;
    let source = verify::verify(cx, tarball).map_err(failed(Stage::Verify))?;
    let tree = unpack::unpack(cx, &source, TreeCheck::Times).map_err(failed(Stage::Unpack))?;
    patch::check::check(&tree, &plan.kernel.toolchain, only, langs).map_err(failed(Stage::Patch))
}

/// Builds the kernel for `boot --shell` and returns the path of its image.
///
/// # Errors
/// As [`run()`].
pub fn built_image(cx: &Context, request: &Request) -> Result<PathBuf, Failure> {
    let kernel = run(cx, request, Goal::Build)?.report.kernel;
    Ok(kernel.expect("a run that builds has a kernel").image)
}

/// `boot --shell`: boots `image` with this terminal as the guest's console.
///
/// # Errors
/// The image is not a kernel, or QEMU or the guest's programs cannot be started.
pub fn shell(cx: &Context, request: &Request, image: &Path) -> Result<(), Failure> {
    let boot = check::boot_request(request)?;
    boot::shell(cx, boot, image).map_err(|error| Failure::new(Some(Stage::Boot), &error))
}
