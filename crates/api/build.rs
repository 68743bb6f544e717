//! Generates the gRPC code, and the names of its methods. `protox` compiles the protobuf files, so no `protoc` is needed.

use std::{env, fs, path::Path};

fn main() -> anyhow::Result<()> {
    let files = protox::compile(["proto/catalog.proto", "proto/inventory.proto"], ["proto"])?;
    for file in &files.file {
        let mut methods = Vec::new();
        for service in &file.service {
            let name = |it: &str| format!("{}.{}/{it}", file.package(), service.name());
            methods.extend(service.method.iter().map(|it| name(it.name())));
        }
        let text = format!(
            "/// Every method, `package.Service/Method`.\npub const METHODS: &[&str] = &{methods:?};\n"
        );
        let path = Path::new(&env::var("OUT_DIR")?).join(format!("{}.methods.rs", file.package()));
        fs::write(path, text)?;
    }
    // Clients take any tower service: ours balances per request, so tonic's own transport stays out.
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(files)?;
    Ok(())
}
