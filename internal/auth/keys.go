package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"reflect"

	"eventhub/internal/hub"
)

// digest is the SHA-256 of a key or token.
type digest [sha256.Size]byte

// NewKey makes a key of 256 random bits. Its hash is what the file of keys has of it.
func NewKey() (key, hash string) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	key = "hub_" + base64.RawURLEncoding.EncodeToString(secret[:])
	sum := sha256.Sum256([]byte(key))
	return key, hex.EncodeToString(sum[:])
}

// key is an API key in use.
type key struct {
	entry
	who *Principal
}

// keys finds an API key by its digest.
//
// How long that takes tells nothing that helps to guess a key. What is looked up is the
// digest of what was shown: who guesses does not choose its bits, and to learn that some
// of them are those of a key's digest is of no use without a preimage of SHA-256. And
// besides the bucket, which 64 bits say, digests are compared in constant time.
type keys map[uint64][]*key

func (d *digest) bucket() uint64 { return binary.LittleEndian.Uint64(d[:]) }

func (k keys) find(sum *digest) *key {
	for _, key := range k[sum.bucket()] {
		if subtle.ConstantTimeCompare(key.digest[:], sum[:]) == 1 {
			return key
		}
	}
	return nil
}

// takeKeys has the entries of a file be the keys. Those that have not changed go on as
// they are; whoever came by others has ended.
func (a *Authenticator) takeKeys(entries []entry) {
	before, next := *a.keys.Load(), keys{}
	kept := map[*key]bool{}
	for _, e := range entries {
		k := before.find(&e.digest)
		if k != nil && k.id == e.id && reflect.DeepEqual(k.grant, e.grant) {
			kept[k] = true
		} else {
			by := &life{print: hex.EncodeToString(e.digest[:])}
			k = &key{entry: e, who: a.accounts.newPrincipal("key:"+e.id, e.rules, e.grant.Limits, by)}
		}
		next[e.digest.bucket()] = append(next[e.digest.bucket()], k)
	}
	a.keys.Store(&next) // first: whoever has ended may come again at once
	for _, bucket := range before {
		for _, k := range bucket {
			switch {
			case kept[k]:
			case next.find(&k.digest) != nil:
				k.who.life.end(hub.CodeUnavailable, "permissions have changed: connect again")
			default:
				k.who.life.end(hub.CodeUnauthenticated, "the key was taken away")
			}
		}
	}
}
