import ChaosLab
import Foundation
import TestTools
import Testing

/// A search that finds nothing proves something only if it would have found it.
@Suite struct ScanTests {
    private let folder: TemporaryFolder
    private let peer = [UInt8](17...48)

    init() throws { folder = try TemporaryFolder("scan") }

    private var scan: PlaintextScan {
        var scan = PlaintextScan()
        scan.add(text: "Annunziata", "a name")
        scan.add(bytes: peer, "a peer id")
        return scan
    }

    private func noise(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: 1)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    @Test func findsNothingInNoise() throws {
        try folder.write("noise", noise(300_000))
        let result = try scan.search(folder.path)
        #expect(result.findings.isEmpty)
        #expect(result.bytes == 300_000)
    }

    @Test(arguments: ["plain", "UTF-16", "hexadecimal", "HEXADECIMAL", "base 64", "shifted", "twice shifted"])
    func findsWhatWasPlanted(form: String) throws {
        func base64(_ shift: Int) -> [UInt8] {
            Array(Data([UInt8](repeating: 0xA5, count: shift) + peer + [1, 2, 3]).base64EncodedString().utf8)
        }
        let hexadecimal = peer.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let planted: [UInt8] =
            switch form {
            case "UTF-16": "Annunziata".utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
            case "hexadecimal": Array(hexadecimal.utf8)
            case "HEXADECIMAL": Array(hexadecimal.uppercased().utf8)
            case "base 64": base64(0)
            case "shifted": base64(1)
            case "twice shifted": base64(2)
            default: peer
            }
        try FileManager.default.createDirectory(atPath: folder.file("deep/below"), withIntermediateDirectories: true)
        try folder.write("deep/below/vault.sqlite-wal", noise(9_000) + planted + noise(500))
        let result = try scan.search(folder.path)
        #expect(result.findings.contains { $0.offset == 9_000 || form.contains("shifted") }, "\(result)")
        #expect(result.foundBytes > 0)
        #expect(result.findings.allSatisfy { $0.file == "deep/below/vault.sqlite-wal" })
    }

    @Test func findsWhatStandsAtTheEdges() throws {
        try folder.write("edges", Array("Annunziata".utf8) + noise(100) + Array("Annunziata".utf8))
        #expect(try scan.search(folder.path).findings.map(\.offset) == [0, 110])
    }
}
