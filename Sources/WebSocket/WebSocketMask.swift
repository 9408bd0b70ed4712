/// Masking (RFC 6455 section 5.3): exclusive or with four bytes repeated. It hides nothing; it keeps proxies from
/// taking frames for HTTP.
package enum WebSocketMask {
    /// Copies `source` to `target` (as long or longer), masking or unmasking on the way, 32 bytes at a time.
    ///
    /// - Parameters:
    ///   - mask: the four bytes as they lie in memory.
    ///   - offset: position of the first byte of `source` in the payload.
    package static func copy(
        _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer, mask: UInt32, offset: Int = 0
    ) {
        precondition(target.count >= source.count)
        let turned = rotated(mask, by: offset)
        let wide = SIMD8<UInt32>(repeating: turned)
        let count = source.count
        var index = 0
        while index &+ 32 <= count {
            let chunk = source.loadUnaligned(fromByteOffset: index, as: SIMD8<UInt32>.self)
            target.storeBytes(of: chunk ^ wide, toByteOffset: index, as: SIMD8<UInt32>.self)
            index &+= 32
        }
        withUnsafeBytes(of: turned) { key in
            while index < count {
                target[index] = source[index] ^ key[index & 3]
                index &+= 1
            }
        }
    }

    /// Masks or unmasks in place.
    package static func apply(_ mask: UInt32, to bytes: UnsafeMutableRawBufferPointer, offset: Int = 0) {
        copy(UnsafeRawBufferPointer(bytes), to: bytes, mask: mask, offset: offset)
    }

    /// The mask that starts at byte `offset & 3` of `mask`.
    private static func rotated(_ mask: UInt32, by offset: Int) -> UInt32 {
        withUnsafeBytes(of: mask) { bytes in
            var turned: UInt32 = 0
            withUnsafeMutableBytes(of: &turned) { target in
                for index in 0..<4 { target[index] = bytes[(index &+ offset) & 3] }
            }
            return turned
        }
    }
}
