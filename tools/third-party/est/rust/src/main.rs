//! The EST client of the crate est-ca, driven from a command line: cacerts | enroll | reenroll, URL CA OUT, then NAME USER CODE (enroll) or
//! CSR IDENTITY (reenroll; PEM of certificate and key).
use std::fs;

use est_ca::est::client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (operation, url, out) = (args[0].as_str(), args[1].as_str(), args[3].as_str());
    let mut builder = reqwest::Client::builder().use_rustls_tls().tls_built_in_root_certs(false);
    for root in reqwest::Certificate::from_pem_bundle(&fs::read(&args[2])?)? {
        builder = builder.add_root_certificate(root);
    }
    if operation == "reenroll" {
        builder = builder.identity(reqwest::Identity::from_pem(&fs::read(&args[5])?)?);
    }
    let http = builder.build()?;
    let der = match operation {
        "cacerts" => client::cacerts(&http, url).await?,
        "enroll" => {
            let (csr, key) = client::make_csr(&args[4])?;
            fs::write(format!("{out}.key"), key)?;
            client::simpleenroll(&http, url, &args[5], &args[6], &csr).await?
        }
        "reenroll" => client::simplereenroll(&http, url, &fs::read(&args[4])?).await?,
        other => return Err(format!("no such operation: {other}").into()),
    };
    fs::write(out, der)?;
    Ok(())
}
