//! Signatures of image and modules, verified by OpenSSL and by an independent Authenticode parser.

use std::fs;
use std::path::{Path, PathBuf};

use authenticode::{AttributeCertificateIterator, AuthenticodeSignature, authenticode_digest};
use kpatch_build::base::error::{Exit, Explain};
use kpatch_build::base::x509::{KeyError, Signer, SignerFiles};
use kpatch_build::stages::build::KernelBuild;
use kpatch_build::stages::secure_boot::{Error, sign_with};
use object::read::pe::PeFile64;
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::stack::Stack;
use sha2_for_authenticode::{Digest, Sha256};

use crate::support::fixtures::fake_kernel::Machine;
use crate::support::keys::Keys;
use crate::support::pe;

const RELEASE: &str = "6.1.187-none-boot-signed";
const MODULE: &str = "kernel/lib/provider.ko";

fn kernel(machine: &Machine) -> KernelBuild {
    let kernel = machine.modular_kernel(RELEASE);
    fs::write(kernel.image(), pe::image()).unwrap();
    fs::write(kernel.config(), "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH=\"sha512\"\n").unwrap();
    kernel
}

fn module(kernel: &KernelBuild) -> PathBuf {
    kernel.modules().join("lib/modules").join(RELEASE).join(MODULE)
}

/// Every file of the kernel with its content.
fn content(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(content(&path)),
            false if path.is_symlink() => {}
            false => files.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    files.sort();
    files
}

#[test]
fn the_image_has_a_signature_of_its_content() {
    let (machine, keys) = (Machine::new(), Keys::new("My kernels"));
    let signed = sign_with(&machine.context, &keys.files(), kernel(&machine)).unwrap();
    let image = fs::read(signed.image()).unwrap();
    let file = PeFile64::parse(&*image).unwrap();
    let certificates: Vec<_> = AttributeCertificateIterator::new(&file).unwrap().unwrap().collect();
    assert_eq!(certificates.len(), 1);
    let signature: AuthenticodeSignature =
        certificates[0].as_ref().unwrap().get_authenticode_signature().unwrap();
    let mut digest = Sha256::new();
    authenticode_digest(&file, &mut digest).unwrap();
    assert_eq!(signature.digest(), digest.finalize().as_slice());
    assert_eq!(signature.certificates().count(), 1);
    // Content type and digest; with a signing time, no two signatures would be equal.
    assert_eq!(signature.signer_info().signed_attrs.as_ref().unwrap().len(), 2);
    let attributes = {
        use cms::cert::x509::der::Encode;
        signature.signer_info().signed_attrs.to_der().unwrap()
    };
    let key = keys.certificate().public_key().unwrap();
    let mut verifier = openssl::sign::Verifier::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
    assert!(verifier.verify_oneshot(signature.signature(), &attributes).unwrap());
}

#[test]
fn a_module_ends_with_a_signature_that_openssl_verifies() {
    let (machine, keys) = (Machine::new(), Keys::new("My kernels"));
    let unsigned = kernel(&machine);
    let original = fs::read(module(&unsigned)).unwrap();
    let signed = fs::read(module(&sign_with(&machine.context, &keys.files(), unsigned).unwrap())).unwrap();
    let (start, rest) = signed.split_at(original.len());
    assert_eq!(start, original);
    let rest = rest.strip_suffix(b"~Module signature appended~\n").unwrap();
    let (signature, header) = rest.split_at(rest.len() - 12);
    assert_eq!(header[..8], [0, 0, 2, 0, 0, 0, 0, 0]);
    assert_eq!(header[8..], (signature.len() as u32).to_be_bytes());
    let verify = |data: &[u8]| {
        let mut certificates = Stack::new().unwrap();
        certificates.push(keys.certificate()).unwrap();
        let flags = CMSOptions::BINARY | CMSOptions::NO_SIGNER_CERT_VERIFY;
        CmsContentInfo::from_der(signature).unwrap().verify(
            Some(&certificates),
            None,
            Some(data),
            None,
            flags,
        )
    };
    verify(&original).unwrap();
    assert!(verify(&signed).is_err());
}

#[test]
fn the_same_key_and_kernel_give_the_same_bytes_and_another_key_gives_others() {
    let keys = Keys::new("My kernels");
    let signed = |keys: &Keys| {
        let machine = Machine::new();
        let signed = sign_with(&machine.context, &keys.files(), kernel(&machine)).unwrap();
        let root = signed.entry.path().to_owned();
        let files = content(&root);
        let names =
            files.into_iter().map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes));
        (names.collect::<Vec<_>>(), signed.image_sha256.clone())
    };
    let (first, second, other) = (signed(&keys), signed(&keys), signed(&Keys::new("My kernels")));
    assert_eq!(first, second);
    assert_ne!(first, other);
}

#[test]
fn the_signed_kernel_is_a_separate_result() {
    let (machine, keys) = (Machine::new(), Keys::new("My kernels"));
    let unsigned = kernel(&machine);
    let (dir, key) = (unsigned.entry.path().to_owned(), unsigned.key.clone());
    let before = content(&dir);
    let signed = sign_with(&machine.context, &keys.files(), unsigned).unwrap();
    assert_eq!(content(&dir), before);
    assert_ne!((signed.entry.path(), &signed.key), (dir.as_path(), &key));
    assert!(!signed.cached);
    let image = fs::read(signed.image()).unwrap();
    assert_eq!(
        signed.image_sha256,
        kpatch_build::base::digest::hex(&<sha2::Sha256 as sha2::Digest>::digest(image))
    );
    let identity = signed.signed_by.as_ref().unwrap();
    assert_eq!(identity.subject, "CN=My kernels");
    assert_eq!(identity.sha256, kpatch_build::base::digest::hex(&keys.fingerprint()));
    // The result has every file, including System.map and the lists of modules.
    assert_eq!(content(signed.entry.path()).len(), before.len());
}

#[test]
fn a_kernel_that_cannot_be_signed_is_an_error_with_a_reason() {
    let keys = Keys::new("My kernels");
    let refused = |spoil: &dyn Fn(&KernelBuild)| {
        let machine = Machine::new();
        let kernel = kernel(&machine);
        spoil(&kernel);
        let error = sign_with(&machine.context, &keys.files(), kernel).unwrap_err();
        assert_eq!(error.exit(), Exit::StageFailed);
        assert!(
            machine.context.store.entries(kpatch_build::base::store::Bucket::Results).unwrap().len() == 1
        );
        error
    };
    let error = refused(&|kernel| fs::write(kernel.image(), vec![0x55; 5000]).unwrap());
    assert!(error.next_step().unwrap().contains("EFI_STUB"), "{error}");
    let error = refused(&|kernel| {
        let machine = Machine::new();
        let signed = sign_with(&machine.context, &keys.files(), self::kernel(&machine)).unwrap();
        fs::copy(signed.image(), kernel.image()).unwrap();
    });
    assert!(error.to_string().contains("already signed"), "{error}");
    let error = refused(&|kernel| fs::write(kernel.config(), "CONFIG_MODULE_SIG_HASH=\"md4\"\n").unwrap());
    assert!(matches!(&error, Error::Hash { name } if name == "md4"), "{error}");
    let error =
        refused(&|kernel| fs::rename(module(kernel), module(kernel).with_extension("ko.xz")).unwrap());
    assert!(matches!(&error, Error::Compressed { .. }), "{error}");
}

#[test]
fn a_key_or_certificate_that_cannot_sign_is_a_usage_error() {
    let (keys, others) = (Keys::new("One"), Keys::new("Two"));
    let refused = |key: &Path, certificate: &Path| {
        let error = Signer::load(key, certificate).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage, "{error}");
        error
    };
    assert!(matches!(refused(&keys.key, &others.cert), KeyError::Mismatch { .. }));
    assert!(matches!(refused(&keys.key, Path::new("/nowhere")), KeyError::Io(_)));
    assert!(matches!(refused(&keys.cert, &keys.cert), KeyError::NoKey { .. }));
    assert!(matches!(refused(&keys.key, &keys.key), KeyError::NoCertificate { .. }));
    let error = refused(&keys.encrypted(), &keys.cert);
    assert!(
        matches!(error, KeyError::Encrypted { .. }) && error.next_step().unwrap().contains("openssl pkey")
    );
    for (key, found) in [(keys.rsa_of_1024_bits(), "RSA with 1024 bits"), (keys.elliptic(), "elliptic curve")]
    {
        let error = refused(&key, &keys.cert);
        assert!(matches!(error, KeyError::NotUsable { .. }) && error.to_string().contains(found), "{error}");
    }
}

#[test]
fn the_certificate_may_be_der_and_may_share_a_file_with_the_key() {
    let keys = Keys::new("One");
    let identity = keys.signer().identity().clone();
    assert_eq!(Signer::load(&keys.key, &keys.der()).unwrap().identity(), &identity);
    let both = keys.together();
    assert_eq!(Signer::load(&both, &both).unwrap().identity(), &identity);
}

#[test]
fn debug_output_never_shows_the_key() {
    let keys = Keys::new("One");
    let shown = format!("{:?}", keys.signer());
    assert!(shown.contains("CN=One") && shown.len() < 200, "{shown}");
}

#[test]
fn a_key_that_is_gone_or_replaced_when_it_is_needed_fails_the_stage() {
    let (machine, keys) = (Machine::new(), Keys::new("One"));
    let files = keys.files();
    let kept = fs::read(&keys.key).unwrap();
    fs::remove_file(&keys.key).unwrap();
    let error = sign_with(&machine.context, &files, kernel(&machine)).unwrap_err();
    assert!(matches!(error, Error::Key(KeyError::Io(_))) && error.exit() == Exit::StageFailed, "{error}");

    let others = Keys::new("Two");
    fs::write(&keys.key, fs::read(&others.key).unwrap()).unwrap();
    fs::write(&keys.cert, fs::read(&others.cert).unwrap()).unwrap();
    assert!(matches!(files.load().unwrap_err(), KeyError::Replaced { .. }));
    fs::write(&keys.key, kept).unwrap();
    assert!(matches!(files.load().unwrap_err(), KeyError::Mismatch { .. }));
}

#[test]
fn a_pipe_in_place_of_a_key_is_refused_at_once() {
    let keys = Keys::new("One");
    let pipe = keys.key.with_extension("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = SignerFiles::check(&pipe, &keys.cert).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.ends_with("is not a regular file") && error.exit() == Exit::Usage, "{cause}");
}
