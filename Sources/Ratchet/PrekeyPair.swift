import Noise

/// A prekey with its secrets.
final class PrekeyPair: Sendable {
    let id: PrekeyID
    /// When it was made, in milliseconds since 1970.
    let time: UInt64
    let dhKey: DHKey
    let kemKey: KEMKey

    /// Size in a stored state, in bytes.
    static let storedByteCount = 108

    init(id: PrekeyID, time: UInt64, _ entropy: Entropy) throws(RatchetError) {
        self.id = id
        self.time = time
        dhKey = try DHKey.generate(entropy)
        kemKey = try KEMKey(seed: entropy.secret(KEMKey.seedByteCount))
    }

    init(reading reader: inout StateReader) throws(RatchetError) {
        id = PrekeyID(rawValue: try reader.integer(UInt32.self))
        guard id.rawValue != 0 else { throw .malformed }
        time = try reader.integer(UInt64.self)
        dhKey = try DHKey(secret: reader.secretBytes(KeyPair.secretLength))
        kemKey = try KEMKey(seed: reader.secretBytes(KEMKey.seedByteCount))
    }

    func write(to writer: inout StateWriter) {
        writer.write(integer: id.rawValue)
        writer.write(integer: time)
        writer.write(dhKey.secret)
        writer.write(kemKey.seed)
    }
}
