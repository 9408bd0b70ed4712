import Paths
import Testing

@testable import Peering

/// A path that is coming back is neither given up nor crowded out by fresh agents.
@Suite struct AttemptChoiceTests {
    private static let now = MonotonicTime(nanoseconds: 100_000_000_000)

    private static func standing(
        path: Bool = true, chosen: Bool = false, heard secondsAgo: Int64? = nil
    ) -> AttemptChoice.Standing {
        .init(hasPath: path, isChosen: chosen, heardAt: secondsAgo.map { now - .seconds($0) })
    }

    @Test(arguments: [
        ([standing(heard: 0), standing(path: false)], 1),
        ([standing(path: false), standing(heard: 9)], 0),
        ([standing(heard: 0), standing(heard: 4)], 1),
        ([standing(heard: 4), standing(heard: 0)], 0),
        ([standing(heard: 0), standing(heard: nil)], 1),
        ([standing(chosen: true, heard: 4), standing(heard: 0)], 1),
        ([standing(chosen: true, heard: 4)], 0),
    ])
    func theMostSilentMakesRoom(attempts: [AttemptChoice.Standing], victim: Int) {
        #expect(AttemptChoice.victim(attempts) == victim)
    }

    @Test func nobodyMakesRoomWhereNobodyIs() {
        #expect(AttemptChoice.victim([]) == nil)
    }

    @Test(arguments: [
        ([standing(heard: 1)], true),
        ([standing(heard: 2)], false),
        ([standing(heard: nil)], false),
        ([standing(path: false, heard: 0)], false),
        ([standing(heard: 30), standing(heard: 0)], true),
        ([], false),
    ])
    func onlyAPathThatIsHeardIsComingBack(attempts: [AttemptChoice.Standing], isComingBack: Bool) {
        #expect(AttemptChoice.isComingBack(attempts, now: Self.now) == isComingBack)
    }
}
