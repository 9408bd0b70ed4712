package import Foundation
import TestTools

/// Looks for what must not be readable in files: a home, or a server's data.
package struct PlaintextScan: Sendable {
    package struct Needle: Sendable {
        /// What it is, for the report.
        package let name: String
        package let bytes: Data
    }

    package struct Finding: Sendable, CustomStringConvertible {
        package let needle: String
        package let file: String
        package let offset: Int
        package let size: Int

        package var description: String { "\(needle) at \(offset) of \(file)" }
    }

    package struct Result: Sendable {
        package var findings: [Finding] = []
        package var files = 0
        package var bytes = 0
        package var foundBytes: Int { findings.reduce(0) { $0 + $1.size } }
    }

    package private(set) var needles: [Needle] = []

    package init() {}

    /// A text, in UTF-8, in UTF-16 and in hexadecimal.
    package mutating func add(text: String, _ name: String) {
        let utf8 = Data(text.utf8)
        add(name, utf8)
        add(
            "\(name) (UTF-16)",
            Data(text.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }))
        addHexadecimal(utf8, name)
    }

    /// Bytes, as they are, in hexadecimal and in base 64.
    package mutating func add(bytes: [UInt8], _ name: String) {
        add(name, Data(bytes))
        addHexadecimal(Data(bytes), name)
        // Where it stands in the encoded stream decides how it looks; without its edges it looks one of three ways.
        for shift in 0..<3 {
            let encoded = (Data(repeating: 0, count: shift) + Data(bytes)).base64EncodedString()
            let core = encoded.dropFirst(shift == 0 ? 0 : 4).prefix { $0 != "=" }.dropLast(2)
            add("\(name) (base 64)", Data(core.utf8))
        }
    }

    private mutating func addHexadecimal(_ bytes: Data, _ name: String) {
        let text = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        add("\(name) (hexadecimal)", Data(text.utf8))
        if text.uppercased() != text { add("\(name) (hexadecimal)", Data(text.uppercased().utf8)) }
    }

    private mutating func add(_ name: String, _ bytes: Data) {
        // Shorter ones occur in random bytes by themselves.
        precondition(bytes.count >= 8, "a needle has at least eight bytes")
        needles.append(Needle(name: name, bytes: bytes))
    }

    /// Searches every file below a folder, write-ahead logs and all.
    package func search(_ folder: String) throws -> Result {
        var result = Result()
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() {
            var isFolder: ObjCBool = false
            let path = "\(folder)/\(name)"
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
                continue
            }
            let content = try Data(contentsOf: URL(filePath: path))
            result.files += 1
            result.bytes += content.count
            result.findings += search(content, file: name)
        }
        return result
    }

    private func search(_ content: Data, file: String) -> [Finding] {
        needles.flatMap { needle in
            ByteSearch.places(of: needle.bytes, in: content).map { place in
                Finding(needle: needle.name, file: file, offset: place, size: needle.bytes.count)
            }
        }
    }
}
