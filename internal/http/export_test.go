package http

// Neighbourhood is what counts as one address.
var Neighbourhood = neighbourhood
