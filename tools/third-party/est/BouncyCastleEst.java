import java.io.FileReader;
import java.io.FileWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.est.ESTAuth;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.EnrollmentResponse;
import org.bouncycastle.est.HttpAuth;
import org.bouncycastle.est.jcajce.JcaJceUtils;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.util.Selector;
import org.bouncycastle.util.Store;

/** Bouncy Castle's EST client, driven from a command line: cacerts | csrattrs | enroll | reenroll, HOST:PORT CA OUT [CSR [CERT KEY | USER CODE]]. */
public class BouncyCastleEst {
  public static void main(String[] args) throws Exception {
    java.security.Security.addProvider(new org.bouncycastle.jce.provider.BouncyCastleProvider());
    String operation = args[0];
    JsseESTServiceBuilder builder = new JsseESTServiceBuilder(args[1], JcaJceUtils.getCertPathTrustManager(trusted(args[2]), null));
    builder.withTimeout(20_000);
    boolean byCertificate = args.length > 6 && args[4].length() > 0 && Files.exists(Path.of(args[5]));
    if (byCertificate) builder.withKeyManager(keyManager(args[5], args[6]));
    ESTService est = builder.build();
    if (operation.equals("cacerts")) {
      write(est.getCACerts().getCertificateStore(), args[3]);
    } else if (operation.equals("csrattrs")) {
      System.out.println(est.getCSRAttributes().getAttributesResponse().getRequirements());
    } else {
      ESTAuth auth = args.length > 6 && !byCertificate ? new HttpAuth("estrealm", args[5], args[6].toCharArray()) : null;
      PKCS10CertificationRequest csr = new PKCS10CertificationRequest(Files.readAllBytes(Path.of(args[4])));
      EnrollmentResponse answer = est.simpleEnroll(operation.equals("reenroll"), csr, auth);
      if (!answer.isCompleted()) {
        System.out.println("wait until " + answer.getNotBefore());
        System.exit(3);
      }
      write(answer.getStore(), args[3]);
    }
  }

  static java.util.Set<java.security.cert.TrustAnchor> trusted(String path) throws Exception {
    java.util.Set<java.security.cert.TrustAnchor> anchors = new java.util.HashSet<>();
    for (Certificate one : CertificateFactory.getInstance("X.509").generateCertificates(Files.newInputStream(Path.of(path))))
      anchors.add(new java.security.cert.TrustAnchor((X509Certificate) one, null));
    return anchors;
  }

  static javax.net.ssl.KeyManager keyManager(String certificate, String key) throws Exception {
    List<Certificate> chain =
        new ArrayList<>(CertificateFactory.getInstance("X.509").generateCertificates(Files.newInputStream(Path.of(certificate))));
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setKeyEntry("device", readKey(key), new char[0], chain.toArray(new Certificate[0]));
    KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    factory.init(store, new char[0]);
    return factory.getKeyManagers()[0];
  }

  static PrivateKey readKey(String path) throws Exception {
    try (PEMParser parser = new PEMParser(new FileReader(path))) {
      for (Object found = parser.readObject(); ; found = parser.readObject()) {
        if (found instanceof PEMKeyPair pair) return new JcaPEMKeyConverter().getPrivateKey(pair.getPrivateKeyInfo());
        if (found instanceof PrivateKeyInfo info) return new JcaPEMKeyConverter().getPrivateKey(info);
        if (found == null) throw new IllegalArgumentException("no key in " + path);
      }
    }
  }

  static void write(Store<X509CertificateHolder> store, String path) throws Exception {
    try (JcaPEMWriter out = new JcaPEMWriter(new FileWriter(path))) {
      for (X509CertificateHolder one : store.getMatches((Selector<X509CertificateHolder>) null)) out.writeObject(one);
    }
  }
}
