// Package inventory holds what was learned of an account's APIs: collections,
// endpoints with their parameters, and samples; how two observations of the same
// endpoint merge; and the contract of the stores that keep them.
package inventory
