import Foundation
import NATLab

/// `make demo`: two people behind two NATs talk, the direct path is cut and comes back, and every step is shown with its time.
@main
struct Demo {
    static func main() async {
        let narrator = Narrator()
        do {
            if Lab.isAvailable {
                try await behindNATs(narrator)
            } else {
                narrator.warn("Network namespaces are not to be had here (\(Lab.unavailableReason)).")
                narrator.warn("So the two people share this machine's loopback, without NATs, and nothing gets cut.")
                try await onLoopback(narrator)
            }
            narrator.farewell()
        } catch {
            narrator.warn("The demo failed: \(error)")
            exit(1)
        }
    }

    /// Server and two homes on an "internet" of namespaces, as on the map that the narrator draws.
    private static func behindNATs(_ narrator: Narrator) async throws {
        try await Lab.with { plan in
            plan.host("server")
            plan.host("alice", behind: .portRestricted)
            plan.host("bob", behind: .portRestricted)
        } _: { lab in
            let (server, alice, bob) = (try lab.host("server"), try lab.host("alice"), try lab.host("bob"))
            narrator.map(server: server.address, alice: alice, bob: bob)
            let scene = try await Scene.open(
                narrator, server: HostStage(host: server), alice: HostStage(host: alice), bob: HostStage(host: bob))
            try await scene.meet()
            try await scene.turnDirect()
            try await scene.cut { try await alice.site.cutUDP() }
            try await scene.restore { try await alice.site.restoreUDP() }
            try await scene.close()
        }
    }

    private static func onLoopback(_ narrator: Narrator) async throws {
        let stage = LoopbackStage()
        let scene = try await Scene.open(narrator, server: stage, alice: stage, bob: stage)
        try await scene.meet()
        try await scene.close()
    }
}
