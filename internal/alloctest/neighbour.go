package alloctest

import "testing"

// Rung is what the bell has of a hub that has published.
const Rung = " new "

// Neighbour stands for another hub on a Redis, for hubs that start afterwards: one that
// is alone rings nobody. It hears their bells; Await tells when one has Rung.
func Neighbour(t testing.TB, redisAddr string) *Client {
	t.Helper()
	c := Dial(t, redisAddr)
	c.Write([]byte("ZADD hub:hubs 9999999999999 hub-neighbour\r\n")) // it never dies
	c.Await([]byte(":1"))
	c.Write([]byte("SUBSCRIBE hub:bell\r\n"))
	c.Await([]byte(":1"))
	return c
}
