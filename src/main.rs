//! The command line of rumormill, for the node that it ships.

fn main() -> std::process::ExitCode {
    rumormill::cli::main_with::<rumormill::Node>()
}
