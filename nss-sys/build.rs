//! Finds NSS with pkg-config and checks its version; generates and downloads nothing.

/// The oldest NSS whose symbols the bindings name (RHEL 8.4, Debian 11).
const FLOOR: &str = "3.61";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Err(e) = pkg_config::Config::new().atleast_version(FLOOR).probe("nss") {
        println!(
            "cargo:error=NSS {FLOOR} or later is needed to build (Debian: libnss3-dev, RHEL: nss-devel): {e}"
        );
        std::process::exit(1);
    }
}
