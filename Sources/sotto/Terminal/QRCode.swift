import CQREncode
import Glibc

/// Why there is no QR code.
enum QRCodeError: Error, Equatable {
    /// More than the largest code holds.
    case textTooLong
    case libraryFailed(errno: Int32)
}

/// A QR code (ISO/IEC 18004) for a terminal.
struct QRCode: Sendable {
    /// Modules per side.
    let size: Int
    private let modules: [Bool]

    /// The light border that readers need, in modules: four, as the standard asks.
    static let quietZone = 4

    /// Encodes the bytes of `text` with error correction level L: a screen is clean, and a small code is scanned sooner.
    init(_ text: String) throws(QRCodeError) {
        let bytes = Array(text.utf8)
        guard let code = QRcode_encodeData(Int32(bytes.count), bytes, 0, QR_ECLEVEL_L) else {
            throw errno == ERANGE ? .textTooLong : .libraryFailed(errno: errno)
        }
        defer { QRcode_free(code) }
        size = Int(code.pointee.width)
        // The lowest bit of each byte is the module's colour; the others tell what it is for.
        modules = UnsafeBufferPointer(start: code.pointee.data, count: size * size).map { $0 & 1 == 1 }
    }

    /// Whether the module is dark. Outside of the code everything is light.
    func isDark(_ x: Int, _ y: Int) -> Bool {
        (0..<size).contains(x) && (0..<size).contains(y) && modules[y * size + x]
    }

    /// How a code is drawn.
    enum Style: Sendable {
        /// Half blocks, two modules a character, black on white by explicit colours, whatever the terminal's are.
        case colored
        /// Half blocks without colours, light modules drawn: right on a dark background; most readers take both.
        case halfBlocks
        /// Two `#` for a dark module, as paper has it.
        case ascii
    }

    /// Columns that `lines` takes.
    func columns(_ style: Style) -> Int {
        (size + 2 * Self.quietZone) * (style == .ascii ? 2 : 1)
    }

    /// The code with its quiet zone, a string a line.
    func lines(_ style: Style) -> [String] {
        let range = -Self.quietZone..<(size + Self.quietZone)
        guard style != .ascii else {
            return range.map { y in range.map { x in isDark(x, y) ? "##" : "  " }.joined() }
        }
        return stride(from: range.lowerBound, to: range.upperBound, by: 2).map { y in
            let blocks = range.map { x -> Character in
                let isSet = style == .colored
                // The row below the last is not part of the code: light in colours, nothing without.
                let lower = y + 1 < range.upperBound ? isDark(x, y + 1) == isSet : false
                return Self.halfBlock(upper: isDark(x, y) == isSet, lower: lower)
            }
            return style == .colored ? "\u{1B}[38;5;16;48;5;231m\(String(blocks))\u{1B}[0m" : String(blocks)
        }
    }

    private static func halfBlock(upper: Bool, lower: Bool) -> Character {
        switch (upper, lower) {
        case (true, true): "█"
        case (true, false): "▀"
        case (false, true): "▄"
        case (false, false): " "
        }
    }
}
