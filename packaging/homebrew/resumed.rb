# Not tried with brew: checked with `ruby -c` only. Fill in the checksum of the archive.
class Resumed < Formula
  desc "Resumable-upload server: an upload that is cut continues at the same byte"
  homepage "https://github.com/resumed/resumed"
  url "https://github.com/resumed/resumed/archive/refs/tags/v0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args(features: "put,tls")
    man1.install "packaging/resumed.1"
    bash_completion.install "packaging/completions/resumed.bash" => "resumed"
    zsh_completion.install "packaging/completions/_resumed"
    fish_completion.install "packaging/completions/resumed.fish"
  end

  service do
    run [opt_bin/"resumed", var/"resumed"]
    keep_alive true
    log_path var/"log/resumed.log"
    error_log_path var/"log/resumed.log"
  end

  test do
    port = free_port
    server = spawn bin/"resumed", "--listen", "127.0.0.1:#{port}", testpath/"uploads"
    system "curl", "--retry", "5", "--retry-connrefused", "--fail", "http://127.0.0.1:#{port}/health"
    (testpath/"file").write "hello"
    system bin/"resumed", "put", "-q", "file", "http://127.0.0.1:#{port}"
    assert_equal "hello", (testpath/"uploads/file").read
  ensure
    Process.kill "TERM", server
  end
end
