// Package auth knows who uses the control API and what they may do: users, roles,
// API keys and sessions. It does not know HTTP.
package auth
