/// The largest packet one path carries towards the peer, found by padded pings.
///
/// It begins at 1200 bytes, which every path for QUIC must carry (RFC 9000, section 14). All larger sizes are tried at
/// once; any answer raises it. While data flows, a ping of the current size is sent now and then; if several in a row
/// stay unanswered although small pings are answered, the path has become a black hole for that size.
struct MTUSearch: Sendable {
    static let minimum = 1200
    static let sizes = [1280, 1400, 1452]

    private(set) var current: Int
    private var attempts: [Int]
    /// When the next round of larger sizes is due; nil if there is none to try.
    private(set) var nextRound: MonotonicTime?
    private var retry: TimeSpan
    private var lastCheck: MonotonicTime?
    private var firstFailedCheck: MonotonicTime?
    private var unansweredChecks = 0
    private var isCheckRequested = false
    /// Sizes from here on were a black hole and wait for the next retry.
    private var ceiling = Int.max

    init(current: Int = MTUSearch.minimum, configuration: PathConfiguration) {
        self.current = current
        attempts = [Int](repeating: 0, count: MTUSearch.sizes.count)
        retry = configuration.mtuRetry
    }

    /// Starts from 1200 bytes: the path has just begun to work, perhaps along another way.
    mutating func begin(now: MonotonicTime, configuration: PathConfiguration) {
        self = MTUSearch(configuration: configuration)
        nextRound = now
    }

    /// The sizes to try now. `spacing` is how long an answer may take.
    mutating func dueSizes(now: MonotonicTime, spacing: TimeSpan, configuration: PathConfiguration) -> [Int] {
        guard let round = nextRound, round <= now else { return [] }
        let open = MTUSearch.sizes.indices.filter {
            MTUSearch.sizes[$0] > current && MTUSearch.sizes[$0] < ceiling
                && attempts[$0] < configuration.mtuAttempts
        }
        if open.isEmpty {
            settle(now: now, configuration: configuration)
            return []
        }
        for index in open { attempts[index] += 1 }
        nextRound = now + spacing
        return open.map { MTUSearch.sizes[$0] }
    }

    private mutating func settle(now: MonotonicTime, configuration: PathConfiguration) {
        attempts = attempts.map { _ in 0 }
        ceiling = .max
        nextRound = current == MTUSearch.sizes.last ? nil : now + retry
        retry = min(retry * 2, configuration.maximumMTURetry)
    }

    /// A ping of this size was answered. True if the packet size grew.
    mutating func answered(size: Int) -> Bool {
        if size >= current {
            unansweredChecks = 0
            firstFailedCheck = nil
        }
        guard size > current, MTUSearch.sizes.contains(size) else { return false }
        current = size
        return true
    }

    /// Asks for a check of the current size as soon as may be.
    mutating func requestCheck() {
        isCheckRequested = current > MTUSearch.minimum
    }

    /// When a ping of the current size is due, given when data was last sent; nil if none is.
    func nextCheck(lastSent: MonotonicTime?, spacing: TimeSpan, configuration: PathConfiguration) -> MonotonicTime? {
        guard current > MTUSearch.minimum, let lastSent else { return nil }
        guard let lastCheck else { return lastSent }
        if unansweredChecks > 0 || isCheckRequested { return lastCheck + spacing }
        return lastSent > lastCheck ? lastCheck + max(configuration.mtuCheckInterval, spacing) : nil
    }

    /// A ping of the current size goes out now.
    mutating func checkSent(now: MonotonicTime) {
        lastCheck = now
        isCheckRequested = false
        unansweredChecks += 1
        if firstFailedCheck == nil { firstFailedCheck = now }
    }

    /// Whether enough checks failed although the path answered a small ping sent with the first of them or later (`provenAt`).
    func isBlackHole(provenAt: MonotonicTime?, now: MonotonicTime, spacing: TimeSpan, configuration: PathConfiguration)
        -> Bool
    {
        guard unansweredChecks >= configuration.mtuCheckFailures, let lastCheck, now >= lastCheck + spacing,
            let first = firstFailedCheck, let provenAt
        else { return false }
        return provenAt >= first
    }

    /// Back to 1200 bytes; smaller sizes than the failed one are tried at once, the others after a while.
    mutating func fallBack(now: MonotonicTime) {
        ceiling = current
        current = MTUSearch.minimum
        attempts = attempts.map { _ in 0 }
        unansweredChecks = 0
        firstFailedCheck = nil
        isCheckRequested = false
        nextRound = now
    }

    /// Forgets checks whose failing proves nothing about the size, because the path itself did not work.
    mutating func forgetChecks() {
        unansweredChecks = 0
        firstFailedCheck = nil
    }
}
