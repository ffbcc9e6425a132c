import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Security;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.cmc.*;
import org.bouncycastle.asn1.crmf.CRMFObjectIdentifiers;
import org.bouncycastle.asn1.crmf.CertReqMsg;
import org.bouncycastle.asn1.crmf.PKIArchiveOptions;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.crmf.CertificateRequestMessage;
import org.bouncycastle.cert.crmf.PKIArchiveControl;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.ContentVerifierProvider;
import org.bouncycastle.operator.jcajce.*;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.util.CollectionStore;

/**
 * BouncyCastle as a judge of CMC messages: reads requests and verifies what is signed in them, and
 * makes the responses of a CA. One line of output for each part; any failure is an exception.
 */
public class BouncyCastle {
    /** read FILE...: reads requests; respond FILE: also writes ca.pem, full.bin and simple.bin. */
    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        for (String file : Arrays.copyOfRange(arguments, 1, arguments.length)) {
            PKIData data = read(Files.readAllBytes(Path.of(file)));
            if (arguments[0].equals("respond")) {
                respond(data);
            }
        }
    }

    private static void say(String what) {
        System.out.println(what);
    }

    private static PKIData read(byte[] message) throws Exception {
        CMSSignedData signed = null;
        byte[] content;
        org.bouncycastle.asn1.cms.ContentInfo info =
            org.bouncycastle.asn1.cms.ContentInfo.getInstance(message);
        if (info.getContentType().equals(PKCSObjectIdentifiers.data)) {
            content = ASN1OctetString.getInstance(info.getContent()).getOctets();
            say("unsigned");
        } else {
            signed = new CMSSignedData(message);
            if (!signed.getSignedContentTypeOID().equals("1.3.6.1.5.5.7.12.2")) {
                throw new Exception("no PKIData");
            }
            content = (byte[]) signed.getSignedContent().getContent();
        }
        PKIData data = PKIData.getInstance(content);
        if (!Arrays.equals(data.getEncoded(ASN1Encoding.DER), content)) {
            throw new Exception("the PKIData is not DER");
        }
        for (TaggedAttribute control : data.getControlSequence()) {
            if (control.getAttrValues().size() != 1) {
                throw new Exception("a control has not one value");
            }
            control(control.getAttrType(), control.getAttrValues().getObjectAt(0));
        }
        SubjectPublicKeyInfo key = null;
        for (TaggedRequest request : data.getReqSequence()) {
            key = request(request);
        }
        if (signed != null) {
            verify(signed, key);
        }
        return data;
    }

    private static void verify(CMSSignedData signed, SubjectPublicKeyInfo requestKey) throws Exception {
        for (SignerInformation signer : signed.getSignerInfos()) {
            @SuppressWarnings("unchecked")
            Collection<X509CertificateHolder> found = signed.getCertificates().getMatches(signer.getSID());
            JcaSimpleSignerInfoVerifierBuilder verifier = new JcaSimpleSignerInfoVerifierBuilder();
            boolean good;
            if (found.isEmpty()) {
                say("signer: own key");
                good = signer.verify(verifier.build(BouncyCastleProvider.getPublicKey(requestKey)));
            } else {
                X509CertificateHolder certificate = found.iterator().next();
                say("signer: " + certificate.getSubject());
                // The certificate's dates are not judged.
                good = signer.verify(verifier.build(
                    BouncyCastleProvider.getPublicKey(certificate.getSubjectPublicKeyInfo())));
            }
            if (!good) {
                throw new Exception("the signature is wrong");
            }
        }
    }

    private static void control(ASN1ObjectIdentifier type, ASN1Encodable value) throws Exception {
        if (type.equals(CMCObjectIdentifiers.id_cmc_identityProofV2)) {
            IdentityProofV2 proof = IdentityProofV2.getInstance(value);
            say("identityProofV2: " + proof.getMacAlgId().getAlgorithm());
        } else if (type.equals(CMCObjectIdentifiers.id_cmc_identification)) {
            say("identification: " + DERUTF8String.getInstance(value).getString());
        } else if (type.equals(CMCObjectIdentifiers.id_cmc_revokeRequest)) {
            RevokeRequest request = RevokeRequest.getInstance(value);
            say("revokeRequest: " + request.getSerialNumber() + ", passphrase "
                + (request.getPassphrase() != null));
        } else if (type.equals(CMCObjectIdentifiers.id_cmc_decryptedPOP)) {
            say("decryptedPOP: " + DecryptedPOP.getInstance(value).getThePOPAlgID().getAlgorithm());
        } else if (type.equals(CMCObjectIdentifiers.id_cmc_transactionId)) {
            say("transactionId: " + ASN1Integer.getInstance(value).getValue());
        } else if (type.equals(CMCObjectIdentifiers.id_cmc_lraPOPWitness)) {
            say("lraPOPWitness: " + LraPopWitness.getInstance(value).getBodyIds().length);
        } else {
            ASN1OctetString.getInstance(value);
            say("octets: " + type);
        }
    }

    private static SubjectPublicKeyInfo request(TaggedRequest request) throws Exception {
        if (request.getTagNo() == TaggedRequest.TCR) {
            ASN1Sequence tagged = ASN1Sequence.getInstance(request.getValue().toASN1Primitive());
            PKCS10CertificationRequest pkcs10 =
                new PKCS10CertificationRequest(tagged.getObjectAt(1).toASN1Primitive().getEncoded());
            if (!pkcs10.isSignatureValid(by(pkcs10.getSubjectPublicKeyInfo()))) {
                throw new Exception("the signature of the PKCS #10 request is wrong");
            }
            for (org.bouncycastle.asn1.pkcs.Attribute attribute : pkcs10.getAttributes()) {
                if (attribute.getAttrType().equals(CMCObjectIdentifiers.id_cmc_popLinkWitnessV2)) {
                    linked(attribute.getAttributeValues()[0]);
                }
            }
            say("PKCS #10: " + pkcs10.getSubject());
            return pkcs10.getSubjectPublicKeyInfo();
        }
        CertificateRequestMessage crmf =
            new CertificateRequestMessage(CertReqMsg.getInstance(request.getValue()));
        SubjectPublicKeyInfo key = crmf.getCertTemplate().getPublicKey();
        if (crmf.hasProofOfPossession() && !crmf.isValidSigningKeyPOP(by(key))) {
            throw new Exception("the proof of possession is wrong");
        }
        say("CRMF: " + crmf.getCertTemplate().getSubject() + ", POP " + crmf.hasProofOfPossession());
        if (crmf.hasControl(CRMFObjectIdentifiers.id_regCtrl_pkiArchiveOptions)) {
            PKIArchiveControl archive = new PKIArchiveControl(PKIArchiveOptions.getInstance(
                crmf.getControl(CRMFObjectIdentifiers.id_regCtrl_pkiArchiveOptions).getValue()));
            say("archived: " + (archive.isEnvelopedData() ? "EnvelopedData" : "EncryptedValue"));
            if (archive.isEnvelopedData() && archive.getEnvelopedData().getRecipientInfos().size() != 1) {
                throw new Exception("not one recipient");
            }
        }
        org.bouncycastle.asn1.crmf.Controls controls =
            crmf.toASN1Structure().getCertReq().getControls();
        if (controls != null) {
            for (org.bouncycastle.asn1.crmf.AttributeTypeAndValue one : controls.toAttributeTypeAndValueArray()) {
                if (one.getType().equals(CMCObjectIdentifiers.id_cmc_popLinkWitnessV2)) {
                    linked(one.getValue());
                }
            }
        }
        return key;
    }

    private static void linked(ASN1Encodable value) {
        say("popLinkWitnessV2: " + PopLinkWitnessV2.getInstance(value).getMacAlgorithm().getAlgorithm());
    }

    private static ContentVerifierProvider by(SubjectPublicKeyInfo key) throws Exception {
        return new JcaContentVerifierProviderBuilder().build(BouncyCastleProvider.getPublicKey(key));
    }

    private static X509CertificateHolder certificate(X500Name subject, SubjectPublicKeyInfo key,
            ContentSigner signer, boolean ca) throws Exception {
        long now = System.currentTimeMillis();
        X509v3CertificateBuilder builder = new X509v3CertificateBuilder(new X500Name("CN=BouncyCastle CA"),
            BigInteger.valueOf(now), new Date(now - 3600_000), new Date(now + 86_400_000), subject, key);
        builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(ca));
        return builder.build(signer);
    }

    private static void respond(PKIData data) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        KeyPair pair = generator.generateKeyPair();
        ContentSigner signer = new JcaContentSignerBuilder("SHA256withRSA").build(pair.getPrivate());
        X509CertificateHolder ca = certificate(new X500Name("CN=BouncyCastle CA"),
            SubjectPublicKeyInfo.getInstance(pair.getPublic().getEncoded()), signer, true);
        TaggedRequest request = data.getReqSequence()[0];
        ASN1Sequence tagged = ASN1Sequence.getInstance(request.getValue().toASN1Primitive());
        PKCS10CertificationRequest pkcs10 =
            new PKCS10CertificationRequest(tagged.getObjectAt(1).toASN1Primitive().getEncoded());
        X509CertificateHolder issued =
            certificate(pkcs10.getSubject(), pkcs10.getSubjectPublicKeyInfo(), signer, false);

        BodyPartID id = BodyPartID.getInstance(tagged.getObjectAt(0));
        ASN1EncodableVector controls = new ASN1EncodableVector();
        controls.add(control(1, CMCObjectIdentifiers.id_cmc_statusInfoV2,
            new CMCStatusInfoV2Builder(CMCStatus.success, id).build()));
        for (TaggedAttribute sent : data.getControlSequence()) {
            ASN1Encodable value = sent.getAttrValues().getObjectAt(0);
            if (sent.getAttrType().equals(CMCObjectIdentifiers.id_cmc_transactionId)) {
                controls.add(control(2, CMCObjectIdentifiers.id_cmc_transactionId, value));
            } else if (sent.getAttrType().equals(CMCObjectIdentifiers.id_cmc_senderNonce)) {
                controls.add(control(3, CMCObjectIdentifiers.id_cmc_recipientNonce, value));
            }
        }
        controls.add(control(4, CMCObjectIdentifiers.id_cmc_senderNonce, new DEROctetString(new byte[16])));
        ASN1Sequence none = new DERSequence();
        PKIResponse response = PKIResponse.getInstance(
            new DERSequence(new ASN1Encodable[] {new DERSequence(controls), none, none}));

        List<X509CertificateHolder> both = new ArrayList<>(List.of(ca, issued));
        CMSSignedDataGenerator full = new CMSSignedDataGenerator();
        full.addCertificates(new CollectionStore<>(both));
        full.addSignerInfoGenerator(new JcaSignerInfoGeneratorBuilder(
            new JcaDigestCalculatorProviderBuilder().build()).build(signer, ca));
        CMSTypedData content = new CMSProcessableByteArray(
            new ASN1ObjectIdentifier("1.3.6.1.5.5.7.12.3"), response.getEncoded(ASN1Encoding.DER));
        Files.write(Path.of("full.bin"), full.generate(content, true).getEncoded());
        CMSSignedDataGenerator simple = new CMSSignedDataGenerator();
        simple.addCertificates(new CollectionStore<>(both));
        Files.write(Path.of("simple.bin"), simple.generate(new CMSAbsentContent()).getEncoded());
        String base64 = java.util.Base64.getMimeEncoder().encodeToString(ca.getEncoded());
        Files.writeString(Path.of("ca.pem"),
            "-----BEGIN CERTIFICATE-----\n" + base64 + "\n-----END CERTIFICATE-----\n");
        say("responses written");
    }

    private static TaggedAttribute control(int id, ASN1ObjectIdentifier type, ASN1Encodable value) {
        return new TaggedAttribute(new BodyPartID(id), type, new DERSet(value));
    }
}
