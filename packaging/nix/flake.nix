# Not tried. Build: nix build "git+file:.?dir=packaging/nix"
{
  description = "Resumable-upload server: an upload that is cut continues at the same byte";
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      root = ../..;
    in
    {
      packages = each (pkgs: {
        default = pkgs.rustPlatform.buildRustPackage {
          pname = "resumed";
          version = (builtins.fromTOML (builtins.readFile (root + "/Cargo.toml"))).package.version;
          src = root;
          cargoLock.lockFile = root + "/Cargo.lock";
          buildFeatures = [ "put" "tls" ];
          nativeBuildInputs = [ pkgs.installShellFiles ];
          # The other tests need browsers, proxies and mounts.
          cargoTestFlags = [ "--lib" ];
          postInstall = ''
            installManPage packaging/resumed.1
            installShellCompletion --cmd resumed --bash packaging/completions/resumed.bash \
              --zsh packaging/completions/_resumed --fish packaging/completions/resumed.fish
          '';
          meta = {
            description = "Resumable-upload server";
            homepage = "https://github.com/resumed/resumed";
            license = with pkgs.lib.licenses; [ mit asl20 ];
            mainProgram = "resumed";
          };
        };
      });
    };
}
