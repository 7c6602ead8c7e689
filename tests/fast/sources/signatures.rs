//! OpenPGP signatures and the signers that they name.

use std::io::{Cursor, Read};

use kpatch_build::base::openpgp::verify::{Certificates, SignatureError};
use kpatch_build::stages::fetch::pins::Pins;
use pgp::crypto::hash::HashAlgorithm;

use super::world::Signer;

fn check(signer: &Certificates, signature: &str, data: &'static [u8]) -> Result<String, SignatureError> {
    let open = || Ok(Box::new(Cursor::new(data)) as Box<dyn Read>);
    signer.check_detached(signature.as_bytes(), open).map(|signer| signer.fingerprint)
}

#[test]
fn the_pinned_signers_are_those_of_the_real_certificates() {
    let certificates = Certificates::parse(include_bytes!("../../data/kernel-signers.asc"));
    let pinned = Pins::default().release_fingerprints();
    let mut found = certificates.only(&pinned).fingerprints();
    found.sort();
    let mut expected = pinned;
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_good_signature_names_its_signer_and_an_altered_byte_breaks_it() {
    let signer = Signer::new("a");
    let certificates = Certificates::parse(&signer.certificate());
    let signature = signer.sign(b"data", HashAlgorithm::Sha256);
    assert_eq!(check(&certificates, &signature, b"data").unwrap(), signer.fingerprint());
    let error = check(&certificates, &signature, b"Data").unwrap_err();
    assert!(matches!(error, SignatureError::Bad { .. }), "{error:?}");
    let error = check(&certificates, "nonsense", b"data").unwrap_err();
    assert!(!matches!(error, SignatureError::Bad { .. }), "{error:?}");
}

#[test]
fn one_trusted_signature_among_several_is_enough() {
    let (one, two) = (Signer::new("a"), Signer::new("b"));
    let armoured = |signer: &Signer| signer.0.to_public_key().to_armored_string(Default::default()).unwrap();
    // Two armoured blocks in one keyring, as cat concatenates them.
    let both = Certificates::parse((armoured(&one) + &armoured(&two)).as_bytes());
    assert_eq!(both.fingerprints().len(), 2);
    let signature = two.sign(b"data", HashAlgorithm::Sha512);
    assert_eq!(check(&both, &signature, b"data").unwrap(), two.fingerprint());
    let error = check(&both.only(&[one.fingerprint()]), &signature, b"data").unwrap_err();
    assert!(matches!(error, SignatureError::NoTrustedSigner { .. }), "{error:?}");
}

#[test]
fn only_the_signed_text_of_a_document_is_returned() {
    let signer = Signer::new("a");
    let certificates = Certificates::parse(&signer.certificate());
    let document = signer.clearsign("one\n- two\n");
    let (text, _) = certificates.check_clearsigned(document.as_bytes()).unwrap();
    assert_eq!(text, "one\n- two\n");
    for forged in [format!("before\n{document}"), format!("{document}after\n")] {
        let error = certificates.check_clearsigned(forged.as_bytes()).unwrap_err();
        assert!(matches!(error, SignatureError::Malformed { .. }), "{error:?}");
    }
}
