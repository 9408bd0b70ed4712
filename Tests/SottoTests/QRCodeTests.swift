import Testing

@testable import sotto

@Suite struct QRCodeTests {
    private static let invite =
        "sotto:sotto1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq@example.org:8443?t=AAAAAAAAAAAAAAAAAAAAAA&n=bob"

    /// Capacities in byte mode at level L, ISO/IEC 18004 table 7.
    @Test(arguments: [(1, 21), (17, 21), (18, 25), (32, 25), (33, 29), (134, 41), (2953, 177)])
    func takesTheSmallestVersion(bytes: Int, size: Int) throws {
        #expect(try QRCode(String(repeating: "x", count: bytes)).size == size)
    }

    @Test func refusesTooMuch() {
        #expect(throws: QRCodeError.textTooLong) { try QRCode(String(repeating: "x", count: 2954)) }
    }

    /// Finder patterns in three corners, timing patterns between them, the dark module.
    @Test func hasThePatternsOfAQRCode() throws {
        let code = try QRCode(Self.invite)
        let finder = ["#######", "#     #", "# ### #", "# ### #", "# ### #", "#     #", "#######"]
        for (left, top) in [(0, 0), (code.size - 7, 0), (0, code.size - 7)] {
            for (y, row) in finder.enumerated() {
                for (x, module) in row.enumerated() { #expect(code.isDark(left + x, top + y) == (module == "#")) }
            }
        }
        for index in 8..<(code.size - 8) {
            #expect(code.isDark(index, 6) == index.isMultiple(of: 2))
            #expect(code.isDark(6, index) == index.isMultiple(of: 2))
        }
        #expect(code.isDark(8, code.size - 8))
        #expect(!code.isDark(-1, 0))
        #expect(!code.isDark(0, code.size))
    }

    @Test(arguments: [QRCode.Style.colored, .halfBlocks, .ascii])
    func drawsEveryModule(style: QRCode.Style) throws {
        let code = try QRCode(Self.invite)
        let zone = QRCode.quietZone
        let lines = code.lines(style).map {
            $0.replacing("\u{1B}[38;5;16;48;5;231m", with: "").replacing("\u{1B}[0m", with: "")
        }
        #expect(lines.allSatisfy { TextWidth.columns(of: $0) == code.columns(style) })
        for y in -zone..<(code.size + zone) {
            for x in -zone..<(code.size + zone) {
                #expect(Self.isDark(lines, x: x + zone, y: y + zone, style) == code.isDark(x, y))
            }
        }
    }

    @Test func setsColorsOnEveryLine() throws {
        let lines = try QRCode("x").lines(.colored)
        #expect(lines.allSatisfy { $0.hasPrefix("\u{1B}[38;5;16;48;5;231m") && $0.hasSuffix("\u{1B}[0m") })
        #expect(lines.count == (21 + 8 + 1) / 2)
    }

    private static func isDark(_ lines: [String], x: Int, y: Int, _ style: QRCode.Style) -> Bool {
        if style == .ascii { return Array(lines[y])[2 * x] == "#" }
        let character = Array(lines[y / 2])[x]
        let isDrawn = character == "█" || character == (y.isMultiple(of: 2) ? "▀" : "▄")
        return isDrawn == (style == .colored)
    }
}
