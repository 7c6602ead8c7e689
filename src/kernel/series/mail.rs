//! Reads patches from an mbox (the default format of RFC 4155), with MIME parts and transfer encodings.

use std::collections::{BTreeMap, BTreeSet};

use mailparse::{MailHeaderMap, ParsedMail};

/// One patch in a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) subject: String,
    /// The decoded text that contains the diff.
    pub(crate) body: Vec<u8>,
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
        /// The first missing numbers.
        numbers: Vec<usize>,
    },
    /// A mail program may have changed spaces and line ends (RFC 3676).
    #[error("the message {subject:?} has format=flowed, which may change the spaces of a diff")]
    Flowed {
        /// Its subject.
        subject: String,
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

/// Missing numbers that a message shows; a subject may name any total.
const SHOWN: usize = 20;

fn missing(numbers: &[usize]) -> String {
    let mut list = numbers.iter().take(SHOWN).map(usize::to_string).collect::<Vec<_>>().join(", ");
    if numbers.len() > SHOWN {
        list.push_str(", …");
    }
    if numbers.len() == 1 { format!("number {list} is") } else { format!("numbers {list} are") }
}

/// Reads the patches of an mbox, of a single mail or of a plain diff, in the order of the numbers in their
/// subjects. Cover letters and replies are skipped.
pub(crate) fn patches(mbox: &[u8]) -> Result<Vec<Message>, Error> {
    let mut found = Vec::new();
    for (index, raw) in split(mbox).into_iter().enumerate() {
        let message = message(&raw, index + 1)?;
        let number = patch_number(&message.subject);
        if number.is_some_and(|(number, _)| number == 0) {
            // A cover letter may contain the difference to an earlier version.
            continue;
        }
        if contains_diff(&message.body) {
            found.push((number, message));
        } else if number.is_some_and(|(number, _)| number > 0) && !is_reply(&message.subject) {
            return Err(Error::PatchWithoutDiff { subject: message.subject });
        }
    }
    found.retain(|(_, message)| !is_reply(&message.subject));
    in_order(found)
}

/// Sorts the patches of each total by number, in the places that they have in the file.
fn in_order(found: Vec<(Option<(usize, usize)>, Message)>) -> Result<Vec<Message>, Error> {
    if found.is_empty() {
        return Err(Error::NoDiff);
    }
    let mut places: Vec<Option<Message>> = Vec::new();
    let mut numbered: BTreeMap<usize, Vec<(usize, usize, Message)>> = BTreeMap::new();
    for (place, (number, message)) in found.into_iter().enumerate() {
        places.push(None);
        match number {
            Some((number, total)) => numbered.entry(total).or_default().push((number, place, message)),
            None => places[place] = Some(message),
        }
    }
    for (total, patches) in numbered {
        let mut free: Vec<usize> = patches.iter().map(|(_, place, _)| *place).collect();
        free.sort_unstable();
        for (place, message) in free.into_iter().zip(complete(total, patches)?) {
            places[place] = Some(message);
        }
    }
    Ok(places.into_iter().flatten().collect())
}

/// The patches of one total by number.
fn complete(total: usize, mut patches: Vec<(usize, usize, Message)>) -> Result<Vec<Message>, Error> {
    patches.sort_by_key(|(number, ..)| *number);
    if let Some(pair) = patches.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::Twice { number: pair[0].0, total });
    }
    let present: BTreeSet<usize> = patches.iter().map(|(number, ..)| *number).collect();
    let numbers: Vec<usize> = (1..=total).filter(|nth| !present.contains(nth)).take(SHOWN + 1).collect();
    match numbers.is_empty() {
        true => Ok(patches.into_iter().map(|(_, _, message)| message).collect()),
        false => Err(Error::Incomplete { total, numbers }),
    }
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

/// Whether the line is `From <sender> <date>`: time and year distinguish it from a sentence that starts with the word.
fn is_from_line(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let clock = |word: &[u8]| {
        let parts: Vec<&[u8]> = word.split(|&byte| byte == b':').collect();
        parts.len() == 3 && parts.iter().all(|part| part.len() == 2 && part.iter().all(u8::is_ascii_digit))
    };
    let year = |word: &[u8]| word.len() == 4 && word.iter().all(u8::is_ascii_digit);
    let mut words = rest.trim_ascii_end().split(|&byte| byte == b' ');
    words.any(clock) && words.any(year)
}

fn message(raw: &[u8], number: usize) -> Result<Message, Error> {
    if !has_header(raw) {
        // A plain diff needs no decoding.
        return Ok(Message { subject: String::new(), body: raw.to_vec() });
    }
    let unparsable = |source| Error::Unparsable { number, source };
    let mail = mailparse::parse_mail(raw).map_err(unparsable)?;
    let subject = mail.headers.get_first_value("Subject").unwrap_or_default();
    let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut body = Vec::new();
    collect(&mail, &mut body).map_err(unparsable)?;
    match is_flowed(&mail) && contains_diff(&body) {
        true => Err(Error::Flowed { subject }),
        false => Ok(Message { subject, body }),
    }
}

fn is_flowed(mail: &ParsedMail) -> bool {
    let format = mail.ctype.params.get("format");
    format.is_some_and(|format| format.eq_ignore_ascii_case("flowed")) || mail.subparts.iter().any(is_flowed)
}

/// The patch in a file of a quilt series: the decoded body of a mail, else the file as it is.
pub(crate) fn patch_in_file(content: &[u8]) -> Result<Vec<u8>, Error> {
    let mut content = without_cr(content.to_vec());
    if content.starts_with(b"From ")
        && let [message] = &mut split(&content)[..]
    {
        content = std::mem::take(message);
    }
    let is_encoded = has_header(&content) && {
        let mail =
            mailparse::parse_mail(&content).map_err(|source| Error::Unparsable { number: 1, source })?;
        let encoding = mail.headers.get_first_value("Content-Transfer-Encoding").unwrap_or_default();
        !mail.subparts.is_empty()
            || is_flowed(&mail)
            || matches!(&*encoding.to_ascii_lowercase(), "base64" | "quoted-printable")
    };
    match is_encoded {
        true => Ok(message(&content, 1)?.body),
        false => Ok(content),
    }
}

/// Whether the text starts with the header of a mail (RFC 5322, section 2.2): fields up to an empty line, and one of those
/// that every mail has. `net: fix it` above a diff is a subject without a header.
fn has_header(raw: &[u8]) -> bool {
    const FIELDS: [&str; 6] = ["from", "subject", "date", "message-id", "mime-version", "content-type"];
    let lines = raw.split(|&byte| byte == b'\n').take_while(|line| !line.trim_ascii_end().is_empty());
    let mut is_mail = false;
    for (number, line) in lines.enumerate() {
        let is_continued = number > 0 && line.starts_with(b" ") || line.starts_with(b"\t");
        let name = line.iter().position(|&byte| byte == b':').map(|colon| &line[..colon]);
        let name = name.filter(|name| !name.is_empty() && name.iter().all(u8::is_ascii_graphic));
        match name.and_then(|name| std::str::from_utf8(name).ok()) {
            Some(name) => is_mail |= FIELDS.contains(&&*name.to_ascii_lowercase()),
            None if is_continued => {}
            None => return false,
        }
    }
    is_mail
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

/// Number and total in the brackets of a subject, (2, 5) for `[PATCH v3 2/5] …`, `[RFC][PATCH 2/5 v3]` and
/// `[net-next,v3,2/5]`.
fn patch_number(subject: &str) -> Option<(usize, usize)> {
    let mut rest = &subject[subject.find('[')?..];
    while let Some((tag, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        if let Some(number) = tag.split([' ', ',']).find_map(number_of_total) {
            return Some(number);
        }
        rest = after.trim_start();
    }
    None
}

fn number_of_total(word: &str) -> Option<(usize, usize)> {
    let (number, total) = word.split_once('/')?;
    let (number, total) = (number.parse().ok()?, total.parse().ok()?);
    (number <= total && total > 0).then_some((number, total))
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
