package deploy_test

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

func TestUnknownFieldsAreRefused(t *testing.T) {
	const misspelled = "apiVersion: v1\nkind: Service\nmetadata: {name: hub}\nspec: {port: []}\n"
	if _, err := decode([]byte(misspelled)); err == nil {
		t.Error("a Service with spec.port was accepted")
	}
}

func TestTheBaseIsWhatTheReadmeLists(t *testing.T) {
	all := base(t)
	one[*appsv1.Deployment](t, all)
	one[*corev1.Service](t, all)
	one[*corev1.ServiceAccount](t, all)
	one[*corev1.ConfigMap](t, all)
	one[*policyv1.PodDisruptionBudget](t, all)
	one[*networkingv1.NetworkPolicy](t, all)
	if len(all) != 6 {
		t.Errorf("%d objects, want 6", len(all))
	}
}

func TestARolloutNeverTakesCapacityAway(t *testing.T) {
	d := one[*appsv1.Deployment](t, base(t))
	if n := *d.Spec.Replicas; n != 3 {
		t.Errorf("replicas: %d, want 3", n)
	}
	if d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType {
		t.Errorf("strategy: %s", d.Spec.Strategy.Type)
	}
	if n := d.Spec.Strategy.RollingUpdate.MaxUnavailable; n == nil || n.String() != "0" {
		t.Errorf("maxUnavailable: %v, want 0", n)
	}
	if d.Spec.MinReadySeconds <= 3 {
		t.Errorf("minReadySeconds: %d, want more than the 3 s in which a deaf hub is found", d.Spec.MinReadySeconds)
	}
}

func TestANodeDrainTakesOneHubAtATime(t *testing.T) {
	p := one[*policyv1.PodDisruptionBudget](t, base(t))
	if n := p.Spec.MaxUnavailable; n == nil || n.String() != "1" {
		t.Errorf("maxUnavailable: %v, want 1", n)
	}
	if e := p.Spec.UnhealthyPodEvictionPolicy; e == nil || *e != policyv1.AlwaysAllow {
		t.Errorf("unhealthyPodEvictionPolicy: %v, want AlwaysAllow", e)
	}
}

func TestOnlyReadinessAsksAboutRedis(t *testing.T) {
	c := hub(t, base(t))
	for name, probe := range map[string]struct {
		*corev1.Probe
		path string
	}{
		"startup":   {c.StartupProbe, "/livez"},
		"liveness":  {c.LivenessProbe, "/livez"},
		"readiness": {c.ReadinessProbe, "/readyz"},
	} {
		switch {
		case probe.Probe == nil || probe.HTTPGet == nil:
			t.Errorf("%s: no HTTP probe", name)
		case probe.HTTPGet.Path != probe.path:
			t.Errorf("%s: %s, want %s", name, probe.HTTPGet.Path, probe.path)
		case probe.HTTPGet.Port.String() != "http":
			t.Errorf("%s: port %s, want http", name, probe.HTTPGet.Port.String())
		}
	}
	if c.ReadinessProbe.TimeoutSeconds <= 3 {
		t.Error("readiness gives up before the hub has answered for an unreachable Redis (3 s)")
	}
}

func TestThePodOutlivesTheHubsOwnShutdown(t *testing.T) {
	for name, render := range renderings {
		t.Run(name, func(t *testing.T) {
			all := render(t)
			limit, err := time.ParseDuration(settings(t, all)["HUB_SHUTDOWN_TIMEOUT"])
			if err != nil {
				t.Fatal(err)
			}
			hook := hub(t, all).Lifecycle
			if hook == nil || hook.PreStop == nil || hook.PreStop.Sleep == nil {
				t.Fatal("no preStop sleep")
			}
			sleep := time.Duration(hook.PreStop.Sleep.Seconds) * time.Second
			grace := time.Duration(*hubPod(t, all).TerminationGracePeriodSeconds) * time.Second
			if grace <= sleep+limit {
				t.Errorf("grace of %s, want more than the preStop sleep (%s) and HUB_SHUTDOWN_TIMEOUT (%s)", grace, sleep, limit)
			}
		})
	}
}

func TestSelectorsFindTheHubsAndNothingElse(t *testing.T) {
	for name, render := range renderings {
		t.Run(name, func(t *testing.T) {
			all := render(t)
			d := hubDeployment(t, all)
			selectors := map[string]labels.Selector{
				"Deployment":          selector(t, d.Spec.Selector),
				"Service":             labels.SelectorFromSet(hubService(t, all).Spec.Selector),
				"PodDisruptionBudget": selector(t, one[*policyv1.PodDisruptionBudget](t, all).Spec.Selector),
				"NetworkPolicy":       selector(t, &networkPolicy(t, all, "hub").Spec.PodSelector),
			}
			spread := d.Spec.Template.Spec.TopologySpreadConstraints
			if len(spread) == 0 {
				t.Error("no topology spread")
			}
			for _, s := range spread {
				selectors["spread over "+s.TopologyKey] = selector(t, s.LabelSelector)
			}
			for owner, s := range selectors {
				if s.Empty() || !s.Matches(labels.Set(d.Spec.Template.Labels)) {
					t.Errorf("%s: selector %q does not match the hub's pods", owner, s)
				}
				for _, other := range every[*appsv1.StatefulSet](all) {
					if s.Matches(labels.Set(other.Spec.Template.Labels)) {
						t.Errorf("%s: selector %q matches the pods of %s", owner, s, other.Name)
					}
				}
			}
		})
	}
}

func TestTheServiceReachesTheHub(t *testing.T) {
	all := base(t)
	reached := map[string]string{} // addresses that the hub listens at, by the Service's ports
	for _, p := range hubService(t, all).Spec.Ports {
		for _, listening := range hub(t, all).Ports {
			if p.TargetPort.String() == listening.Name {
				reached[fmt.Sprint(p.Name, " ", p.Port)] = fmt.Sprint(":", listening.ContainerPort)
			}
		}
	}
	set := settings(t, all)
	want := map[string]string{"http 80": set["HUB_ADDR"], "metrics 9090": set["HUB_ADMIN_ADDR"]}
	if !maps.Equal(reached, want) || len(hub(t, all).Ports) != len(want) {
		t.Errorf("the Service's ports reach %v, want %v", reached, want)
	}
}

func TestHubsShareOneRedis(t *testing.T) {
	for name, render := range renderings {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(settings(t, render(t))["HUB_REDIS_URL"])
			if err != nil || u.Host == "" {
				t.Errorf("HUB_REDIS_URL %q: each hub would start a Redis of its own (%v)", u, err)
			}
			if u != nil && u.User != nil {
				t.Error("HUB_REDIS_URL holds credentials; they belong into a Secret")
			}
		})
	}
}

func TestTheMemoryGoalIsBelowTheLimit(t *testing.T) {
	c := hub(t, base(t))
	goal, ok := strings.CutSuffix(env(c)["GOMEMLIMIT"], "B") // Go writes MiB, Kubernetes Mi
	if !ok {
		t.Fatalf("GOMEMLIMIT: %q", env(c)["GOMEMLIMIT"])
	}
	q, err := resource.ParseQuantity(goal)
	if err != nil {
		t.Fatal(err)
	}
	if limit := c.Resources.Limits.Memory(); q.Cmp(*limit) >= 0 {
		t.Errorf("GOMEMLIMIT %s, want less than the limit of %s", goal, limit)
	}
}

func TestThePasswordComesFromAFile(t *testing.T) {
	all := readmeExample(t)
	c, pod := hub(t, all), hubPod(t, all)
	path := env(c)["HUB_REDIS_PASSWORD_FILE"]
	mount, secret := mounted(t, c, pod, "hub-redis")
	if len(secret.Items) != 1 || secret.Items[0].Key != "password" {
		t.Fatalf("secret: %+v, want the key password", secret)
	}
	if want := mount.MountPath + "/" + secret.Items[0].Path; path != want {
		t.Errorf("HUB_REDIS_PASSWORD_FILE: %q, the Secret is at %q", path, want)
	}
}

// mounted is where a Secret is mounted, of which only the hub may read the files.
func mounted(t *testing.T, c corev1.Container, pod corev1.PodSpec, name string) (corev1.VolumeMount, *corev1.SecretVolumeSource) {
	t.Helper()
	for _, volume := range pod.Volumes {
		if volume.Secret == nil || volume.Secret.SecretName != name {
			continue
		}
		if group := pod.SecurityContext.FSGroup; *volume.Secret.DefaultMode != 0o440 || group == nil || *group != *pod.SecurityContext.RunAsGroup {
			t.Errorf("%s: mode %o with group %v: want 440 with the hub's own group", name, *volume.Secret.DefaultMode, group)
		}
		for _, mount := range c.VolumeMounts {
			if mount.Name == volume.Name {
				if !mount.ReadOnly {
					t.Errorf("%s: mount: %+v", name, mount)
				}
				return mount, volume.Secret
			}
		}
	}
	t.Fatalf("mounts %+v of volumes %+v, want the Secret %s", c.VolumeMounts, pod.Volumes, name)
	return corev1.VolumeMount{}, nil
}

func TestKeysComeFromADirectoryThatIsRenewed(t *testing.T) {
	all := readmeExample(t)
	c := hub(t, all)
	mount, secret := mounted(t, c, hubPod(t, all), "hub-api-keys")
	if mount.SubPath != "" || len(secret.Items) > 0 {
		t.Errorf("%+v of %+v: want all of the directory, as the kubelet renews no subPath", mount, secret)
	}
	if got, want := env(c)["HUB_API_KEYS_FILE"], mount.MountPath+"/keys.yaml"; got != want {
		t.Errorf("HUB_API_KEYS_FILE: %q, the Secret has it at %q", got, want)
	}
}

// TestOnlyTheTrialHubsAskNobodyWhoTheyAre: the image and the base listen on every
// address, where a hub starts only with keys, or tokens, or this setting.
func TestOnlyTheTrialHubsAskNobodyWhoTheyAre(t *testing.T) {
	for name, render := range renderings {
		all := render(t)
		set, vars := settings(t, all), env(hub(t, all))
		_, anonymous := set["HUB_ALLOW_ANONYMOUS"]
		_, literal := vars["HUB_ALLOW_ANONYMOUS"]
		if anonymous != (name == "try") || literal {
			t.Errorf("%s: HUB_ALLOW_ANONYMOUS is set: %t", name, anonymous || literal)
		}
		if _, keyed := vars["HUB_API_KEYS_FILE"]; keyed != (name == "README example") {
			t.Errorf("%s: HUB_API_KEYS_FILE is set: %t", name, keyed)
		}
		if set["HUB_ADMIN_ADDR"] == "" || set["HUB_ADMIN_ADDR"] == set["HUB_ADDR"] {
			t.Errorf("%s: administration is on %q, the API on %q", name, set["HUB_ADMIN_ADDR"], set["HUB_ADDR"])
		}
	}
	for _, e := range commands[*instructions.EnvCommand](parse(t).final()) {
		for _, pair := range e.Env {
			if pair.Key == "HUB_ALLOW_ANONYMOUS" {
				t.Error("the image is open to whoever reaches it")
			}
		}
	}
}

func TestWithoutThePasswordComponentNoFileIsNamed(t *testing.T) {
	for name, render := range map[string]func(*testing.T) objects{"base": base, "try": try} {
		all := render(t)
		if _, set := env(hub(t, all))["HUB_REDIS_PASSWORD_FILE"]; set || settings(t, all)["HUB_REDIS_PASSWORD_FILE"] != "" {
			t.Errorf("%s: HUB_REDIS_PASSWORD_FILE is set; the hub refuses to start without that file", name)
		}
	}
}

func TestPrometheusFindsTheService(t *testing.T) {
	all := readmeExample(t)
	m := one[*unstructured.Unstructured](t, all)
	if m.GetAPIVersion() != "monitoring.coreos.com/v1" || m.GetKind() != "ServiceMonitor" {
		t.Fatalf("%s %s", m.GetAPIVersion(), m.GetKind())
	}
	match, _, err := unstructured.NestedStringMap(m.Object, "spec", "selector", "matchLabels")
	if err != nil {
		t.Fatal(err)
	}
	service := hubService(t, all)
	if len(match) == 0 || !labels.SelectorFromSet(match).Matches(labels.Set(service.Labels)) {
		t.Errorf("selector %v does not match the Service's labels %v", match, service.Labels)
	}
	if m.GetNamespace() != service.Namespace {
		t.Errorf("namespace %q, the Service is in %q", m.GetNamespace(), service.Namespace)
	}
	endpoints, _, err := unstructured.NestedSlice(m.Object, "spec", "endpoints")
	if err != nil || len(endpoints) != 1 {
		t.Fatalf("endpoints: %v (%v), want one", endpoints, err)
	}
	endpoint, _ := endpoints[0].(map[string]any)
	metrics := func(p corev1.ServicePort) bool { return p.Name == "metrics" }
	if endpoint["path"] != "/metrics" || endpoint["port"] != "metrics" || !slices.ContainsFunc(service.Spec.Ports, metrics) {
		t.Errorf("endpoint: %v of the Service's ports %+v, want /metrics on port metrics", endpoint, service.Spec.Ports)
	}
}

// hubDeployment returns the hub's Deployment, hubPod its pod template's spec,
// hub the container.
func hubDeployment(t *testing.T, all objects) *appsv1.Deployment {
	t.Helper()
	return one[*appsv1.Deployment](t, all)
}

func hubPod(t *testing.T, all objects) corev1.PodSpec {
	t.Helper()
	return hubDeployment(t, all).Spec.Template.Spec
}

func hub(t *testing.T, all objects) corev1.Container {
	t.Helper()
	containers := hubPod(t, all).Containers
	if len(containers) != 1 {
		t.Fatalf("%d containers, want 1", len(containers))
	}
	return containers[0]
}

func hubService(t *testing.T, all objects) *corev1.Service {
	t.Helper()
	for _, s := range every[*corev1.Service](all) {
		if s.Name == "hub" {
			return s
		}
	}
	t.Fatal("no Service hub")
	return nil
}

// settings returns the ConfigMap that the hub's container takes as a whole.
func settings(t *testing.T, all objects) map[string]string {
	t.Helper()
	from := hub(t, all).EnvFrom
	m := one[*corev1.ConfigMap](t, all)
	if len(from) != 1 || from[0].ConfigMapRef == nil || from[0].ConfigMapRef.Name != m.Name {
		t.Fatalf("envFrom %+v, want the ConfigMap %s", from, m.Name)
	}
	return m.Data
}

// env returns what a container sets literally.
func env(c corev1.Container) map[string]string {
	set := make(map[string]string)
	for _, e := range c.Env {
		set[e.Name] = e.Value
	}
	return set
}

func selector(t *testing.T, s *metav1.LabelSelector) labels.Selector {
	t.Helper()
	parsed, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
