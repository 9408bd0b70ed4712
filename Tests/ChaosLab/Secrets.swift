import Foundation

/// What must not be readable on any disk, as it was learned while the homes were made.
struct Secrets: Sendable {
    /// Printed peer ids.
    var peers: [Part: String] = [:]
    var invites: [String] = []

    /// What to look for in a part's files. A home may name its own owner's peer id; everything else is the others' business, too.
    func scan(for part: Part, texts: MessageText, names: [Part: String]) -> PlaintextScan {
        var scan = PlaintextScan()
        scan.add(text: texts.marker, "the beginning of every text")
        for word in texts.words { scan.add(text: word, "a word of the texts") }
        for (_, name) in names.sorted(by: { $0.key.rawValue < $1.key.rawValue }) { scan.add(text: name, "a name") }
        for (owner, peer) in peers.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where owner != part {
            scan.add(text: peer, "\(owner.rawValue)'s peer id, printed")
            if let bytes = Bech32.bytes(peer) { scan.add(bytes: bytes, "\(owner.rawValue)'s peer id") }
        }
        for invite in invites {
            guard let token = Self.token(invite) else { continue }
            scan.add(text: token, "an invite's token, printed")
            let padded = token.replacing("-", with: "+").replacing("_", with: "/") + "=="
            if let bytes = Data(base64Encoded: padded) { scan.add(bytes: Array(bytes), "an invite's token") }
        }
        return scan
    }

    /// `t=` of an invite's URI.
    private static func token(_ invite: String) -> String? {
        guard let start = invite.range(of: "?t=") else { return nil }
        return String(invite[start.upperBound...].prefix { $0 != "&" })
    }
}

/// Reads peer ids (BIP 350), without looking at their checksum.
enum Bech32 {
    private static let letters = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l")

    static func bytes(_ text: String) -> [UInt8]? {
        guard let separator = text.lastIndex(of: "1") else { return nil }
        var (bits, count) = (0, 0)
        var bytes: [UInt8] = []
        for letter in text[text.index(after: separator)...].dropLast(6) {
            guard let value = letters.firstIndex(of: letter) else { return nil }
            bits = (bits << 5 | value) & 0xFFFF
            count += 5
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        return bytes.count == 32 ? bytes : nil
    }
}
