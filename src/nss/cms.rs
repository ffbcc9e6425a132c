//! Verifying a SignedData with libsmime3.

use nss_sys as sys;

use super::database::Database;
use super::fault::{self, Fault};
use super::handle::Borrowed;

/// What libsmime3 found of the first signer of a SignedData.
#[derive(Debug)]
pub enum SignatureCheck {
    /// Signature good, signer's certificate valid and trusted.
    Good,
    /// No SignerInfo at all (a certs-only message).
    Unsigned,
    /// The signature may be good, but its certificate isn't trusted: the fault says why.
    NotTrusted(Fault),
    /// Digest or signature wrong, signer's certificate not found, or message malformed.
    Bad(Fault),
}

/// A decoded CMS message. C: `NSSCMSMessage`, given back by `NSS_CMSMessage_Destroy`.
struct Message(std::ptr::NonNull<sys::NSSCMSMessage>);

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: from NSS_CMSMessage_CreateFromDER, destroyed once.
        unsafe { sys::NSS_CMSMessage_Destroy(self.0.as_ptr()) };
    }
}

impl Database {
    /// Verifies the signature of a CMS SignedData and the signer's certificate against the
    /// database's trust. Certificates in the message help to build the chain; none is trusted or
    /// stored for having arrived.
    pub fn verify_signed_data(&self, der: &[u8]) -> SignatureCheck {
        match self.check_signed_data(der) {
            Ok(check) => check,
            Err(f) => SignatureCheck::Bad(f),
        }
    }

    fn check_signed_data(&self, der: &[u8]) -> Result<SignatureCheck, Fault> {
        let mut item = Borrowed::new(der);
        let raw = fault::pointer("NSS_CMSMessage_CreateFromDER", || {
            // SAFETY: the item outlives the message (both live in this function); no callbacks:
            // nothing is decrypted and content goes into the message (cms.h).
            unsafe {
                sys::NSS_CMSMessage_CreateFromDER(
                    item.as_mut_ptr(),
                    None,
                    std::ptr::null_mut(),
                    None,
                    std::ptr::null_mut(),
                    None,
                    std::ptr::null_mut(),
                )
            }
        })?;
        let message = Message(raw);
        let malformed = |call| Fault::from_code(call, sys::SEC_ERROR_BAD_DER);
        // SAFETY: the message is live; level 0 is the outermost content, null if there is none.
        let content = unsafe { sys::NSS_CMSMessage_ContentLevel(message.0.as_ptr(), 0) };
        if content.is_null() {
            return Err(malformed("NSS_CMSMessage_ContentLevel"));
        }
        // SAFETY: the content info is live with the message.
        let tag = unsafe { sys::NSS_CMSContentInfo_GetContentTypeTag(content) };
        if tag != sys::SEC_OID_PKCS7_SIGNED_DATA {
            return Err(malformed("NSS_CMSContentInfo_GetContentTypeTag"));
        }
        // SAFETY: of type SignedData, so the content is an NSSCMSSignedData or null (cms.h).
        let signed = unsafe { sys::NSS_CMSContentInfo_GetContent(content) };
        let signed = signed.cast::<sys::NSSCMSSignedData>();
        if signed.is_null() {
            return Err(malformed("NSS_CMSContentInfo_GetContent"));
        }
        // SAFETY: `signed` is live with the message.
        if unsafe { sys::NSS_CMSSignedData_SignerInfoCount(signed) } < 1 {
            return Ok(SignatureCheck::Unsigned);
        }
        // SAFETY: NSS is initialised (cert.h).
        let db = unsafe { sys::CERT_GetDefaultCertDB() };
        let usage = sys::certUsageAnyCA;
        fault::status("NSS_CMSSignedData_ImportCerts", || {
            // SAFETY: both live; PR_FALSE keeps the certificates temporary (cms.h).
            unsafe { sys::NSS_CMSSignedData_ImportCerts(signed, db, usage, super::pr_bool(false)) }
        })?;
        let verified = fault::status("NSS_CMSSignedData_VerifySignerInfo", || {
            // SAFETY: both live; the first signer exists (count checked).
            unsafe {
                sys::NSS_CMSSignedData_VerifySignerInfo(
                    signed,
                    0,
                    db,
                    sys::certUsageStatusResponder,
                )
            }
        });
        let Err(why) = verified else { return Ok(SignatureCheck::Good) };
        // SAFETY: `signed` is live and has a first signer.
        let signer = unsafe { sys::NSS_CMSSignedData_GetSignerInfo(signed, 0) };
        // SAFETY: `signer` is live with the message.
        let status = unsafe { sys::NSS_CMSSignerInfo_GetVerificationStatus(signer) };
        Ok(match status {
            sys::NSSCMSVS_SigningCertNotTrusted => SignatureCheck::NotTrusted(why),
            _ => SignatureCheck::Bad(why),
        })
    }
}
