package main

func redisScenarios() []*scenario    { return nil }
func networkScenarios() []*scenario  { return nil }
func dataScenarios() []*scenario     { return nil }
func failoverScenarios() []*scenario { return nil }
func clientScenarios() []*scenario   { return nil }
