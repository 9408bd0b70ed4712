/// How much chaos there is to be.
package struct ChaosOptions: Sendable {
    /// The schedule of faults, the texts and the bursts follow from it.
    package var seed: UInt64 = 1
    /// Messages in both directions together.
    package var messages = 100_000
    /// Programs ended by SIGKILL, at least.
    package var kills = 500
    /// Networks cut, at least.
    package var cuts = 200
    /// Disks filled, at least.
    package var fills = 40
    /// Everything has to be over after this, the final exchange included.
    package var limit: Duration = .seconds(5_400)
    /// How long the programs may take to deliver what is left once everything is healed.
    package var settling: Duration = .seconds(240)
    /// Whether durations of faults are those of a short run.
    package var isShort = false
    /// Whether the homes are locked with a passphrase. To unlock one takes a second and 256 MiB, so not where there are many restarts.
    package var hasPassphrase = false
    /// Whether homes and server are on the machine's own disk, where storing takes its time, instead of in memory. Such disks are not filled.
    package var isOnDisk = false
    /// Of the mail frames: how many are repeated, made to change places, or (towards the server) doubled.
    package var repeats = 0.05
    package var swaps = 0.05
    package var doubles = 0.02
    /// A folder that gets everything that the programs wrote, and their homes when something was wrong.
    package var evidence: String?
    /// The folder of `sotto`, `sotto-signal` and `sotto-chaos`.
    package var programs: String
    /// Told what happens, a line at a time.
    package var progress: @Sendable (String) -> Void = { _ in }

    package init(programs: String) { self.programs = programs }
}
