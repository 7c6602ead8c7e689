//! Fetch: from a requested release to its source: an archive in the store, a git revision or a directory.

mod catalogue;
mod debian;
mod deliver;
mod error;
mod git;
mod git_advice;
mod kernel_org;
mod keys;
mod listing;
mod offer;
mod offers;
pub mod pins;
mod record;
mod request;
mod resolve;
pub mod source;
mod spec;
mod user_source;

pub use self::deliver::fetch;
pub use self::error::Error;
pub use self::keys::KeySource;
pub use self::listing::{Listed, Listing, listing};
pub use self::offer::{Content, FetchedSource, Location, Offer, Origin, Proof};
pub use self::offers::offers;
pub(crate) use self::record::ArchiveRecord;
pub use self::request::SourceRequest;
pub use self::spec::{ParseError as SourceSpecError, SourceSpec};
