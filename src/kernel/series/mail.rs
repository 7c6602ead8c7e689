//! Reads patches from an mbox (the default format of RFC 4155), with MIME parts and transfer encodings.

use mailparse::{MailHeaderMap, ParsedMail};

/// One patch in a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) subject: String,
    /// The decoded text that contains the diff.
    pub(super) body: Vec<u8>,
}

/// Why an mbox is not a series.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A message is not valid mail.
    #[error("cannot parse message {number} as mail")]
    Unparsable {
        /// Number of the message, from 1.
        number: usize,
        /// The reason.
        source: mailparse::MailParseError,
    },
    /// No message contains a diff.
    #[error("none of its messages contains a diff")]
    NoDiff,
    /// A message has the subject of a patch but no diff.
    #[error("the message {subject:?} is numbered as a patch but contains no diff")]
    PatchWithoutDiff {
        /// Its subject.
        subject: String,
    },
    /// Patches are missing.
    #[error("of {total} patches, {} missing", missing(numbers))]
    Incomplete {
        /// Number of patches according to the subjects.
        total: usize,
        /// The missing numbers.
        numbers: Vec<usize>,
    },
    /// Two messages have the same number.
    #[error("patch {number} of {total} occurs more than once; keep one version of the series")]
    Twice {
        /// The number.
        number: usize,
        /// Number of patches according to the subjects.
        total: usize,
    },
}

fn missing(numbers: &[usize]) -> String {
    let list = numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    if numbers.len() == 1 { format!("number {list} is") } else { format!("numbers {list} are") }
}

/// Reads the patches of an mbox, of a single mail or of a plain diff, in the order of the numbers in their
/// subjects. Cover letters and replies are skipped.
pub(super) fn patches(mbox: &[u8]) -> Result<Vec<Message>, Error> {
    let mut found = Vec::new();
    for (index, raw) in split(mbox).into_iter().enumerate() {
        let message = message(&raw, index + 1)?;
        let number = patch_number(&message.subject);
        if contains_diff(&message.body) {
            found.push((number, message));
        } else if number.is_some_and(|(number, _)| number > 0) && !is_reply(&message.subject) {
            return Err(Error::PatchWithoutDiff { subject: message.subject });
        }
    }
    found.retain(|(_, message)| !is_reply(&message.subject));
    in_order(found)
}

fn in_order(mut found: Vec<(Option<(usize, usize)>, Message)>) -> Result<Vec<Message>, Error> {
    if found.is_empty() {
        return Err(Error::NoDiff);
    }
    // Several series have different totals; then the order of the file applies.
    let totals: Vec<usize> = found.iter().filter_map(|(number, _)| number.map(|(_, total)| total)).collect();
    if totals.len() == found.len() && totals.iter().all(|total| *total == totals[0]) {
        let total = totals[0];
        let number = |entry: &(Option<(usize, usize)>, Message)| entry.0.map_or(0, |(number, _)| number);
        found.sort_by_key(number);
        if let Some(pair) = found.windows(2).find(|pair| number(&pair[0]) == number(&pair[1])) {
            return Err(Error::Twice { number: number(&pair[0]), total });
        }
        let numbers: Vec<usize> =
            (1..=total).filter(|nth| !found.iter().any(|entry| number(entry) == *nth)).collect();
        if !numbers.is_empty() {
            return Err(Error::Incomplete { total, numbers });
        }
    }
    Ok(found.into_iter().map(|(_, message)| message).collect())
}

/// Splits at the `From ` lines. A file in which every line ends with CRLF is converted to LF first; a diff of files
/// with CRLF has LF in its headers.
fn split(mbox: &[u8]) -> Vec<Vec<u8>> {
    let text = without_cr(mbox.to_vec());
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if is_from_line(line) {
            messages.push(Vec::new());
        } else {
            if messages.is_empty() {
                messages.push(Vec::new());
            }
            messages.last_mut().expect("a message was pushed").extend_from_slice(line);
        }
    }
    messages
}

fn without_cr(text: Vec<u8>) -> Vec<u8> {
    let mut lines = text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let all = lines.clone().next().is_some() && lines.all(|line| line.ends_with(b"\r\n"));
    if !all {
        return text;
    }
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines
        .flat_map(|line| line.strip_suffix(b"\r\n").map_or(line.to_vec(), |line| [line, b"\n"].concat()))
        .collect()
}

/// Whether the line is `From <sender> <date>`: the date distinguishes it from a sentence that starts with the word.
fn is_from_line(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let clock = |word: &[u8]| {
        let parts: Vec<&[u8]> = word.split(|&byte| byte == b':').collect();
        parts.len() == 3 && parts.iter().all(|part| part.len() == 2 && part.iter().all(u8::is_ascii_digit))
    };
    rest.split(|&byte| byte == b' ').any(clock)
}

fn message(raw: &[u8], number: usize) -> Result<Message, Error> {
    if !has_header(raw) {
        // A plain diff needs no decoding.
        return Ok(Message { subject: String::new(), body: raw.to_vec() });
    }
    let unparsable = |source| Error::Unparsable { number, source };
    let mail = mailparse::parse_mail(raw).map_err(unparsable)?;
    let subject = mail.headers.get_first_value("Subject").unwrap_or_default();
    let mut body = Vec::new();
    collect(&mail, &mut body).map_err(unparsable)?;
    Ok(Message { subject: subject.split_whitespace().collect::<Vec<_>>().join(" "), body })
}

/// Whether the first line is a header field (RFC 5322, section 2.2) of a mail, not of a diff.
fn has_header(raw: &[u8]) -> bool {
    let first = raw.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let Some(colon) = first.iter().position(|&byte| byte == b':') else { return false };
    let name = &first[..colon];
    // `Index: path` is the first line of a diff from quilt or Subversion.
    !name.is_empty() && name != b"Index" && name.iter().all(|byte| byte.is_ascii_graphic())
}

/// Appends text parts, and attachments that are patches by type or name.
fn collect(mail: &ParsedMail, body: &mut Vec<u8>) -> Result<(), mailparse::MailParseError> {
    if !mail.subparts.is_empty() {
        return mail.subparts.iter().try_for_each(|part| collect(part, body));
    }
    let kind = mail.ctype.mimetype.as_str();
    let name = mail.get_content_disposition().params.get("filename").cloned();
    let name = name.or_else(|| mail.ctype.params.get("name").cloned()).unwrap_or_default();
    let is_patch = name.ends_with(".patch") || name.ends_with(".diff");
    if is_patch || kind == "text/plain" || kind == "text/x-patch" || kind == "text/x-diff" {
        let part = without_cr(mail.get_body_raw()?);
        body.extend_from_slice(&part);
        if !part.ends_with(b"\n") {
            body.push(b'\n');
        }
    }
    Ok(())
}

fn contains_diff(body: &[u8]) -> bool {
    let lines: Vec<&[u8]> = body.split(|&byte| byte == b'\n').collect();
    let names = |pair: &[&[u8]]| pair[0].starts_with(b"--- ") && pair[1].starts_with(b"+++ ");
    lines.iter().any(|line| line.starts_with(b"diff --git ")) || lines.windows(2).any(names)
}

fn is_reply(subject: &str) -> bool {
    subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"))
}

/// (2, 5) for `[PATCH v3 2/5] …`.
fn patch_number(subject: &str) -> Option<(usize, usize)> {
    let (tag, _) = subject.split_once('[')?.1.split_once(']')?;
    let numbers = tag.to_uppercase().contains("PATCH").then(|| tag.split_whitespace().last()).flatten()?;
    let (number, total) = numbers.split_once('/')?;
    let (number, total) = (number.parse().ok()?, total.parse().ok()?);
    (number <= total && total > 0).then_some((number, total))
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
