// Command hub is the Event Hub.
package main

func main() {}
