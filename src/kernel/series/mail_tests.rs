use super::*;

const DIFF: &str = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n";

fn mail(subject: &str, body: &str) -> String {
    format!(
        "From someone@example.org Mon May  3 10:00:00 2021\nFrom: A <a@example.org>\nSubject: {subject}\n\n{body}\n"
    )
}

fn subjects(mbox: &str) -> Vec<String> {
    patches(mbox.as_bytes()).unwrap().into_iter().map(|message| message.subject).collect()
}

#[test]
fn cover_letters_and_replies_are_skipped_and_patches_sorted_by_number() {
    let mbox = mail("[PATCH v2 0/2] Cover", "Words.")
        + &mail("[PATCH v2 2/2] Second", DIFF)
        + &mail("[PATCH v2 1/2] First", DIFF)
        + &mail("Re: [PATCH v2 1/2] First", &format!("Try this instead:\n{DIFF}"));
    assert_eq!(subjects(&mbox), ["[PATCH v2 1/2] First", "[PATCH v2 2/2] Second"]);
}

#[test]
fn an_incomplete_or_duplicated_series_is_refused() {
    let error = |mbox: String| patches(mbox.as_bytes()).unwrap_err();
    let incomplete = error(mail("[PATCH 1/3] a", DIFF) + &mail("[PATCH 3/3] c", DIFF));
    assert_eq!(incomplete.to_string(), "of 3 patches, number 2 is missing");
    let doubled = error(mail("[PATCH 1/1] a", DIFF) + &mail("[PATCH v2 1/1] a", DIFF));
    assert!(matches!(doubled, Error::Twice { number: 1, total: 1 }), "{doubled:?}");
    let empty = error(mail("[PATCH 1/2] a", DIFF) + &mail("[PATCH 2/2] b", "only words"));
    assert!(matches!(empty, Error::PatchWithoutDiff { .. }), "{empty:?}");
    assert!(matches!(error("words\n".into()), Error::NoDiff));
}

#[test]
fn transfer_encodings_are_decoded() {
    let quoted = "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable";
    let body = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a=3D1\n+caf=C3=A9 =\nlong\n";
    let mbox = format!("From x@example.org Mon May  3 10:00:00 2021\nSubject: [PATCH] x\n{quoted}\n\n{body}");
    let message = patches(mbox.as_bytes()).unwrap().remove(0);
    assert!(String::from_utf8(message.body).unwrap().contains("-a=1\n+café long\n"));

    // DIFF with CRLF, which MIME requires of text in base64.
    let base64 = "LS0tIGEvZg0KKysrIGIvZg0KQEAgLTEgKzEgQEANCi1hDQorYg0K";
    let header = "MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: base64";
    let mbox = format!("Subject: [PATCH] x\n{header}\n\n{base64}\n");
    assert_eq!(patches(mbox.as_bytes()).unwrap()[0].body, DIFF.as_bytes());
}

#[test]
fn a_patch_can_be_an_attachment() {
    let mbox = format!(
        "Subject: [PATCH] x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"cut\"\n\n--cut\n\
         Content-Type: text/plain\n\nSee attachment.\n--cut\nContent-Type: application/octet-stream; name=\"x.patch\"\n\
         Content-Disposition: attachment; filename=\"x.patch\"\n\n{DIFF}\n--cut\nContent-Type: text/html\n\n<p>--- a/x\n--cut--\n"
    );
    let body = String::from_utf8(patches(mbox.as_bytes()).unwrap().remove(0).body).unwrap();
    assert!(body.contains(DIFF) && !body.contains("<p>"), "{body}");
}

#[test]
fn encoded_and_folded_subjects_are_read() {
    let mbox = mail("=?UTF-8?q?[PATCH_1/1]_caf=C3=A9?=\n and more", DIFF);
    assert_eq!(subjects(&mbox), ["[PATCH 1/1] café and more"]);
}

#[test]
fn a_sentence_that_starts_with_from_does_not_split_the_message() {
    let mbox = mail("[PATCH] x", &format!("Words.\n\nFrom here on it works.\n\n{DIFF}"));
    assert_eq!(subjects(&mbox), ["[PATCH] x"]);
}

#[test]
fn an_mbox_with_crlf_is_converted_to_lf() {
    let mbox = mail("[PATCH] x", DIFF).replace('\n', "\r\n");
    assert!(patches(mbox.as_bytes()).unwrap()[0].body.starts_with(DIFF.as_bytes()));
}

#[test]
fn carriage_returns_in_changed_lines_only_are_kept() {
    let diff = DIFF.replace("-a\n+b\n", "-a\r\n+b\r\n");
    assert!(patches(mail("[PATCH] x", &diff).as_bytes()).unwrap()[0].body.starts_with(diff.as_bytes()));
}

#[test]
fn a_plain_diff_and_a_single_mail_are_series_too() {
    assert_eq!(patches(DIFF.as_bytes()).unwrap()[0].body, DIFF.as_bytes());
    let quilt = format!("Index: linux/f\n===================\n{DIFF}");
    assert_eq!(patches(quilt.as_bytes()).unwrap()[0].body, quilt.as_bytes());
    let single = format!("Subject: [PATCH] x\nFrom: a@example.org\n\nWords.\n---\n{DIFF}");
    assert_eq!(subjects(&single), ["[PATCH] x"]);
}

#[test]
fn numbers_are_read_in_every_form_that_lists_use() {
    let sorted = |second: &str, first: &str| {
        let mbox = mail(second, DIFF) + &mail(first, DIFF);
        assert_eq!(subjects(&mbox), [first, second]);
    };
    sorted("[PATCH v6,2/2] b", "[PATCH v6,1/2] a");
    sorted("[PATCH 2/2 v3] b", "[PATCH 1/2 v3] a");
    sorted("[RFC][PATCH 2/2] b", "[RFC][PATCH 1/2] a");
    sorted("[net-next,v2,2/2] b", "[net-next,v2,1/2] a");
    sorted("[RFC PATCH net-next v2 02/02] b", "[RFC PATCH net-next v2 01/02] a");
    assert_eq!(patch_number("a 1/2 of it [more]"), None);
    assert_eq!(patch_number("[PATCH] drop 1/2 of it"), None);
}

#[test]
fn a_missing_patch_is_noticed_beside_one_without_a_number() {
    let mbox =
        mail("[PATCH v6 1/3] a", DIFF) + &mail("[PATCH v6 3/3] c", DIFF) + &mail("[PATCH] other", DIFF);
    assert!(matches!(patches(mbox.as_bytes()), Err(Error::Incomplete { total: 3, .. })));
    let mbox = mail("[PATCH] first", DIFF) + &mail("[PATCH 2/2] b", DIFF) + &mail("[PATCH 1/2] a", DIFF);
    assert_eq!(subjects(&mbox), ["[PATCH] first", "[PATCH 1/2] a", "[PATCH 2/2] b"]);
}

#[test]
fn a_cover_letter_with_a_diff_is_not_applied() {
    let mbox = mail("[PATCH v2 0/1] Cover", &format!("Interdiff:\n{DIFF}")) + &mail("[PATCH v2 1/1] a", DIFF);
    assert_eq!(subjects(&mbox), ["[PATCH v2 1/1] a"]);
}

#[test]
fn a_flowed_mail_is_refused_by_name() {
    let header = "MIME-Version: 1.0\nContent-Type: text/plain; format=flowed";
    let mbox = format!("Subject: [PATCH] x\n{header}\n\n{DIFF}");
    assert!(patches(mbox.as_bytes()).unwrap_err().to_string().contains("format=flowed"));
    assert!(patch_in_file(mbox.as_bytes()).unwrap_err().to_string().contains("format=flowed"));
}

#[test]
fn a_line_above_a_diff_is_not_the_header_of_a_mail() {
    for line in ["net: fix it", "https://lore.example.org/r/x", "Origin: upstream"] {
        let text = format!("{line}\n{DIFF}");
        assert_eq!(patches(text.as_bytes()).unwrap()[0].body, text.as_bytes(), "{line}");
    }
}

#[test]
fn a_time_and_a_year_make_a_from_line() {
    let mbox = mail("[PATCH] x", &format!("From the console at 10:20:30\n\n{DIFF}"));
    assert_eq!(subjects(&mbox), ["[PATCH] x"]);
}

#[test]
fn a_file_of_a_quilt_series_may_be_a_mail_or_have_crlf() {
    let base64 = "LS0tIGEvZg0KKysrIGIvZg0KQEAgLTEgKzEgQEANCi1hDQorYg0K";
    let header =
        "Subject: [PATCH] x\nMIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: base64";
    let mail = format!("{header}\n\n{base64}\n");
    assert_eq!(patch_in_file(mail.as_bytes()).unwrap(), DIFF.as_bytes());
    assert_eq!(patch_in_file(DIFF.replace('\n', "\r\n").as_bytes()).unwrap(), DIFF.as_bytes());
    let plain = format!("From: A <a@example.org>\nSubject: x\n\nWords.\n---\n{DIFF}");
    assert_eq!(patch_in_file(plain.as_bytes()).unwrap(), plain.as_bytes());
}

#[test]
fn an_absurd_total_is_answered_at_once_and_in_short() {
    let diff = "--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n a\n+b\n";
    let mbox = format!("From a Mon Sep 17 00:00:00 2001\nSubject: [PATCH 1/9223372036854775807] x\n\n{diff}");
    let started = std::time::Instant::now();
    let error = patches(mbox.as_bytes()).unwrap_err();
    assert!(matches!(error, Error::Incomplete { total: 9_223_372_036_854_775_807, .. }), "{error}");
    assert!(error.to_string().ends_with("20, 21, … are missing"), "{error}");
    assert!(started.elapsed() < std::time::Duration::from_secs(1));
}
