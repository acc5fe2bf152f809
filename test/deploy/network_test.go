package deploy_test

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func TestOnlyWhomTheyAreMeantForReachTheHubsPorts(t *testing.T) {
	for name, render := range renderings {
		t.Run(name, func(t *testing.T) {
			p := networkPolicy(t, render(t), "hub")
			for _, from := range []struct {
				who           peer
				http, metrics bool
			}{
				{who: peer{own: true}, http: true, metrics: true},
				{who: peer{namespace: labels.Set{"eventhub/clients": "allowed"}}, http: true},
				{who: peer{namespace: labels.Set{"eventhub/metrics": "allowed"}}, metrics: true},
				{who: peer{namespace: labels.Set{"kubernetes.io/metadata.name": "default"}}},
				{who: peer{}},
			} {
				if got := admits(t, p, from.who, "http"); got != from.http {
					t.Errorf("%+v reaches http: %t, want %t", from.who, got, from.http)
				}
				if got := admits(t, p, from.who, "metrics"); got != from.metrics {
					t.Errorf("%+v reaches metrics: %t, want %t", from.who, got, from.metrics)
				}
				if admits(t, p, from.who, "debug") {
					t.Errorf("%+v reaches a port that is not meant for anybody", from.who)
				}
			}
		})
	}
}

func TestThePolicysPortsAreTheHubs(t *testing.T) {
	all := base(t)
	for _, rule := range networkPolicy(t, all, "hub").Spec.Ingress {
		for _, port := range rule.Ports {
			if !slices.ContainsFunc(hub(t, all).Ports, func(p corev1.ContainerPort) bool { return p.Name == port.Port.String() }) {
				t.Errorf("the hub has no port %s", port.Port)
			}
		}
	}
}

func TestHubsReachRedisAndDNSAndNothingElse(t *testing.T) {
	for name, render := range renderings {
		t.Run(name, func(t *testing.T) {
			all := render(t)
			redis, err := url.Parse(settings(t, all)["HUB_REDIS_URL"])
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"TCP " + redis.Port(), "TCP 53", "TCP 5353", "UDP 53", "UDP 5353"}
			var got []string
			for _, rule := range networkPolicy(t, all, "hub").Spec.Egress {
				if len(rule.Ports) == 0 {
					t.Errorf("%+v is open to every port", rule)
				}
				for _, p := range rule.Ports {
					if p.EndPort != nil {
						t.Errorf("a range of ports: %+v", p)
					}
					got = append(got, fmt.Sprint(*p.Protocol, " ", p.Port))
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("hubs reach %q, want %q", got, want)
			}
		})
	}
}

func TestTheReadmesPatchReplacesTheWayToRedis(t *testing.T) {
	blocks := readmeYAML(t)
	egress := networkPolicy(t, overlay(t, blocks[0]+blocks[1]), "hub").Spec.Egress
	standard := networkPolicy(t, readmeExample(t), "hub").Spec.Egress
	if len(egress) != len(standard) || !reflect.DeepEqual(egress[1:], standard[1:]) {
		t.Fatalf("egress: %+v, want that of the base but for its first rule", egress)
	}
	redis := egress[0]
	if len(redis.Ports) != 1 || redis.Ports[0].Port.String() != "6380" || len(redis.To) != 1 || redis.To[0].IPBlock.CIDR != "10.1.2.0/24" {
		t.Errorf("the way to Redis: %+v", redis)
	}
}

func TestTheTrialHubsReachNoOtherRedis(t *testing.T) {
	all := try(t)
	redis := one[*appsv1.StatefulSet](t, all).Spec.Template.Labels
	for _, rule := range networkPolicy(t, all, "hub").Spec.Egress {
		if rule.Ports[0].Port.String() != "6379" {
			continue
		}
		if len(rule.To) != 1 || rule.To[0].NamespaceSelector != nil || rule.To[0].IPBlock != nil {
			t.Fatalf("they reach %+v, want the trial Redis", rule.To)
		}
		s := selector(t, rule.To[0].PodSelector)
		if s.Empty() || !s.Matches(labels.Set(redis)) {
			t.Errorf("they reach the pods %q, and those of Redis are %v", s, redis)
		}
		return
	}
	t.Error("they reach no Redis")
}

func TestTheTrialRedisIsReachedByHubsOnly(t *testing.T) {
	all := try(t)
	p := networkPolicy(t, all, "hub-redis")
	redis := one[*appsv1.StatefulSet](t, all).Spec.Template
	if !selector(t, &p.Spec.PodSelector).Matches(labels.Set(redis.Labels)) {
		t.Errorf("the policy is of %v, the pods are %v", p.Spec.PodSelector, redis.Labels)
	}
	port := redis.Spec.Containers[0].Ports[0].Name
	if hubs := labels.Set(hubDeployment(t, all).Spec.Template.Labels); !admits(t, p, peer{own: true, pod: hubs}, port) {
		t.Error("a hub does not reach it")
	}
	for _, other := range []peer{{own: true}, {own: true, pod: labels.Set(redis.Labels)}, {namespace: labels.Set{"eventhub/clients": "allowed"}}, {}} {
		if admits(t, p, other, port) {
			t.Errorf("%+v reaches it", other)
		}
	}
	if len(p.Spec.Egress) != 0 {
		t.Errorf("it reaches %+v, and needs nobody", p.Spec.Egress)
	}
}

// peer is who connects: a pod of the policy's own namespace, of another one by
// its labels, or nobody's pod.
type peer struct {
	own       bool
	namespace labels.Set
	pod       labels.Set
}

// admits says whether a policy lets a peer in at a named port, as the API's
// reference has it: by one rule with the port and, if it names any, the peer.
func admits(t *testing.T, p *networkingv1.NetworkPolicy, from peer, port string) bool {
	t.Helper()
	return slices.ContainsFunc(p.Spec.Ingress, func(rule networkingv1.NetworkPolicyIngressRule) bool {
		named := func(allowed networkingv1.NetworkPolicyPort) bool {
			return allowed.Port == nil || allowed.Port.String() == port
		}
		meant := func(allowed networkingv1.NetworkPolicyPeer) bool {
			switch {
			case allowed.IPBlock != nil:
				return true // it may be anybody's address
			case allowed.NamespaceSelector != nil:
				if from.namespace == nil || !selector(t, allowed.NamespaceSelector).Matches(from.namespace) {
					return false
				}
			case !from.own:
				return false
			}
			return allowed.PodSelector == nil || selector(t, allowed.PodSelector).Matches(from.pod)
		}
		return (len(rule.Ports) == 0 || slices.ContainsFunc(rule.Ports, named)) &&
			(len(rule.From) == 0 || slices.ContainsFunc(rule.From, meant))
	})
}

// networkPolicy returns a policy, which is of both directions.
func networkPolicy(t *testing.T, all objects, name string) *networkingv1.NetworkPolicy {
	t.Helper()
	for _, p := range every[*networkingv1.NetworkPolicy](all) {
		if p.Name != name {
			continue
		}
		for _, direction := range []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress} {
			if !slices.Contains(p.Spec.PolicyTypes, direction) {
				t.Errorf("%s leaves %s open", name, direction)
			}
		}
		return p
	}
	t.Fatalf("no NetworkPolicy %s", name)
	return nil
}
