/// The path manager's constants, each with its reason. The defaults are what the program uses.
package struct PathConfiguration: Hashable, Sendable {
    // MARK: Probing

    /// Between probes of a quiet path while the conversation is on screen: a failure is seen within about a second.
    package var onScreenInterval: TimeSpan = .seconds(1)
    /// Between probes of a quiet path otherwise: shorter than the 30 s after which the strictest common NATs forget a
    /// UDP mapping, even if one probe is lost.
    package var idleInterval: TimeSpan = .seconds(15)
    /// The shortest time between pings while data flows; longer round trips use half of theirs. Three pings then fit
    /// into the liveness bound, so that a single lost ping is never a suspicion.
    package var trafficInterval: TimeSpan = .milliseconds(40)
    /// The shortest time between any two pings on a path, whatever asks for them.
    package var minimumSpacing: TimeSpan = .milliseconds(20)
    /// Between pings on a new path: the peer learns of the pair at another moment than this side does.
    package var discoveryInterval: TimeSpan = .milliseconds(50)
    /// How many such pings before the path is probed like a lost one: one second of them.
    package var discoveryPings: Int = 20
    /// Between pings on a lost path, at first.
    package var lostInterval: TimeSpan = .seconds(1)
    /// How long a lost path is probed so often; after that at ``idleInterval``.
    package var lostAttention: TimeSpan = .seconds(300)

    // MARK: Liveness

    /// The least time without an answer before a path is suspected; the bound is the larger of this and two round trips.
    package var minimumBound: TimeSpan = .milliseconds(100)
    /// The bound never grows beyond this, however slow the path was.
    package var maximumBound: TimeSpan = .seconds(3)
    /// Added to the bound while the peer is still heard on the path but does not answer pings: a queue that fills looks
    /// the same for a moment, and both sides must have seen a one-way failure within 250 ms.
    package var hearingAllowance: TimeSpan = .milliseconds(80)
    /// A suspected path without any answer for so long is lost.
    package var lossDelay: TimeSpan = .milliseconds(600)
    /// A path that stays suspected for so long, answering now and then, is lost as well.
    package var suspicionLimit: TimeSpan = .seconds(5)
    /// Between notices to the peer about a suspected path.
    package var noticeInterval: TimeSpan = .milliseconds(200)
    /// A call that comes later than announced by more than this means that this process slept: that time is no evidence.
    package var latenessTolerance: TimeSpan = .milliseconds(50)
    /// A suspicion within this time of the last one, of the same path, makes trust cost more.
    package var suspicionMemory: TimeSpan = .seconds(10)
    /// How long a path that is suspected again must answer without a gap before it is trusted; doubled each time. Data
    /// goes out twice meanwhile, so that a path with short outages loses little and is given up in the end.
    package var suspicionPenalty: TimeSpan = .milliseconds(500)
    /// The longest such time; less than ``suspicionLimit``.
    package var maximumSuspicionPenalty: TimeSpan = .seconds(4)

    // MARK: Flapping

    /// Answers in a row that restore a lost path.
    package var restoringAnswers: Int = 2
    /// A loss within this time of the last one, of the same kind of path, counts as flapping.
    package var flapMemory: TimeSpan = .seconds(60)
    /// How long a path that flapped once must answer without a gap before it is used again; doubled with each flap.
    package var flapPenalty: TimeSpan = .seconds(1)
    /// The longest such time.
    package var maximumFlapPenalty: TimeSpan = .milliseconds(3_500)
    /// Between pings on a path that serves its penalty, and on one that does not answer although the peer is heard there.
    package var penaltyInterval: TimeSpan = .milliseconds(200)

    // MARK: Packet size

    /// Attempts per size before it is taken as too large.
    package var mtuAttempts: Int = 3
    /// Between checks, while data flows, that packets of the current size still arrive.
    package var mtuCheckInterval: TimeSpan = .milliseconds(500)
    /// Checks in a row that must fail, while small probes are answered, before the size is given up: at a
    /// loss of one packet in ten that happens by chance about once in three hours.
    package var mtuCheckFailures: Int = 6
    /// The first pause before sizes that failed are tried again; doubled each time.
    package var mtuRetry: TimeSpan = .seconds(60)
    /// The longest such pause.
    package var maximumMTURetry: TimeSpan = .seconds(600)

    // MARK: Choice

    /// A path of the same class is preferred only if its round trip is shorter by this…
    package var choiceAdvantage: TimeSpan = .milliseconds(5)
    /// …and by more than this percentage.
    package var choicePercentage: Int64 = 20
    /// More packets than this, since the ping before one until its answer, may be why the answer took so long. A slow link
    /// (500 kbit/s) that is full carries that many in 200 ms; what people write, and what acknowledges it, is less.
    package var loadPackets: UInt64 = 8

    // MARK: Bounds

    /// Paths at once. ICE gives one or two; more is a mistake of the caller.
    package var maximumPaths: Int = 16
    /// Pongs sent in a second, whatever the peer asks: data on several paths at once (25 each) and their discovery fit.
    package var pongsPerSecond: Int = 256

    /// The defaults.
    package init() {}
}
