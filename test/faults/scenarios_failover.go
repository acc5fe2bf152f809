package main

func failoverScenarios() []*scenario { return nil }
func clientScenarios() []*scenario   { return nil }
