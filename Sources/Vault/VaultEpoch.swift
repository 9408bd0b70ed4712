/// A chain of units of work of which each relies on those before it, as ratchet states do.
///
/// Units submitted with one epoch are carried out in order, and once one of them has failed, whatever the reason, all that follow in the same epoch fail with
/// ``VaultError/superseded``. To be refused because too many wait is such a failure. Otherwise a unit submitted before its owner has heard of the failure could be
/// stored although it relies on what was not. The owner takes ``Vault/epoch`` anew, *then* reads from the vault what is really there, and goes on with that.
package struct VaultEpoch: Hashable, Sendable {
    let number: UInt64
}
