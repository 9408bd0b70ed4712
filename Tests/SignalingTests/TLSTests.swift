import Foundation
import NIOCore
import SignalingClient
import SignalingServer
import TestTools
import Testing
import Wire

/// A self-signed certificate for 127.0.0.1 and localhost, made by the openssl program in a folder of its own.
final class TestCertificate: Sendable {
    private let folder: TemporaryFolder
    var files: TLSFiles { TLSFiles(certificate: path("certificate.pem"), key: path("key.pem")) }

    init() async throws {
        folder = try TemporaryFolder("tls")
        try await renew()
    }

    func path(_ name: String) -> String { folder.file(name) }

    /// Another key and certificate in the same files.
    func renew(names: String = "IP:127.0.0.1,DNS:localhost") async throws {
        let openssl = try Program(
            "/usr/bin/env",
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=sotto-test -addext"
                .split(separator: " ").map(String.init) + [
                    "subjectAltName=\(names)", "-keyout", path("key.new"), "-out", path("certificate.new"),
                ])
        openssl.closeInput()
        guard try await openssl.ending() == .code(0) else {
            throw Unmet(description: "openssl failed: \(openssl.errors)")
        }
        for name in ["key", "certificate"] {
            guard rename(path("\(name).new"), path("\(name).pem")) == 0 else { throw Unmet(description: "no rename") }
        }
    }
}

@Suite struct TLSTests {
    @Test(arguments: ["127.0.0.1", "localhost"])
    func logsInOverTLS(host: String) async throws {
        let certificate = try await TestCertificate()
        try await withServer {
            $0.tls = certificate.files
        } _: { server in
            #expect(try server.url.isSecure)
            let url = try ServerURL("wss://\(host):\(server.port)")
            let alice = try await TestClient.loggedIn(url, trust: .file(certificate.files.certificate))
            let packets = (0..<60_000).map { UInt8(truncatingIfNeeded: $0) }
            try await alice.relay(to: alice.key, segmentSize: 1200, packets)
            let bytes = try await alice.next("relay") { event -> [UInt8]? in
                if case .relay(_, _, let bytes) = event { Array(bytes.readableBytesView) } else { nil }
            }
            #expect(bytes == packets)
        }
    }

    @Test func doesNotTrustJustAnybody() async throws {
        let certificate = try await TestCertificate()
        try await certificate.renew(names: "DNS:other.example")
        try await withServer {
            $0.tls = certificate.files
        } _: { server in
            let stranger = try TestClient(try server.url)
            guard case (.tls, _?) = try await stranger.disconnect() else { throw Unmet(description: "trusted") }
            let misnamed = try TestClient(try server.url, trust: .file(certificate.files.certificate))
            guard case (.tls, _?) = try await misnamed.disconnect() else { throw Unmet(description: "trusted") }
            #expect(server.metrics.value("logins_total") == 0)
        }
    }

    @Test func takesOverChangedFiles() async throws {
        let certificate = try await TestCertificate()
        try await withServer {
            $0.tls = certificate.files
            $0.certificateCheck = .milliseconds(20)
        } _: { server in
            let before = try await TestClient.loggedIn(
                try server.url, trust: .file(try copy(certificate, "first.pem")))
            try await certificate.renew()
            try await eventually("reloaded") { server.metrics.value("certificate_reloads_total") ?? 0 > 0 }
            _ = try await TestClient.loggedIn(try server.url, trust: .file(certificate.files.certificate))
            // Whoever is connected stays so.
            try await before.send(.signal(peer: before.key, payload: [1]))
            #expect(try await before.signal().payload == [1])
        }
    }

    @Test func keepsTheOldCertificateWhenTheNewIsBroken() async throws {
        let certificate = try await TestCertificate()
        try await withServer {
            $0.tls = certificate.files
            $0.certificateCheck = .milliseconds(20)
        } _: { server in
            let trusted = try copy(certificate, "first.pem")
            try Data("no certificate".utf8).write(to: URL(filePath: certificate.files.certificate))
            server.reloadCertificates()
            _ = try await TestClient.loggedIn(try server.url, trust: .file(trusted))
            #expect(server.metrics.value("certificate_reloads_total") == 0)
        }
    }

    @Test func saysWhatIsWrongWithTheFiles() async throws {
        let certificate = try await TestCertificate()
        let other = try await TestCertificate()
        for (files, part) in [
            (TLSFiles(certificate: "/nonexistent", key: certificate.files.key), "/nonexistent"),
            (TLSFiles(certificate: certificate.files.certificate, key: other.files.key), "certificate"),
            (TLSFiles(certificate: certificate.files.key, key: certificate.files.key), "certificate"),
        ] {
            var configuration = ServerConfiguration.loopback()
            configuration.tls = files
            do {
                let server = try await SignalingServer.start(configuration, logger: quiet)
                await server.shutdown()
                throw Unmet(description: "started with \(files)")
            } catch let error as ServerError {
                #expect("\(error)".contains(part) && !"\(error)".contains("\n"))
            }
        }
    }

    @Test func saysThatATrustFileCannotBeRead() async throws {
        let client = try TestClient(try ServerURL("wss://127.0.0.1:1"), trust: .file("/nonexistent.pem"))
        guard case (.tls(let text), _) = try await client.disconnect() else { throw Unmet(description: "no reason") }
        #expect(text.contains("/nonexistent.pem"))
    }

    private func copy(_ certificate: TestCertificate, _ name: String) throws -> String {
        try FileManager.default.copyItem(atPath: certificate.files.certificate, toPath: certificate.path(name))
        return certificate.path(name)
    }
}
