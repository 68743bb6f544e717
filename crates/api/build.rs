//! Generates the gRPC code. `protox` compiles the protobuf files, so no `protoc` is needed.

fn main() -> anyhow::Result<()> {
    let files = protox::compile(["proto/catalog.proto", "proto/inventory.proto"], ["proto"])?;
    // Clients take any tower service: ours balances per request, so tonic's own transport stays out.
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(files)?;
    Ok(())
}
