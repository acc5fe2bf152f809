package deploy_test

import (
	"strings"
	"testing"

	"github.com/distribution/reference"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func TestPodsMeetTheRestrictedStandard(t *testing.T) {
	eachPod(t, func(t *testing.T, pod corev1.PodSpec) {
		if faults := forbidden(t, pod); faults != "" {
			t.Error(faults)
		}
	})
}

func TestTheRestrictedStandardIsAsked(t *testing.T) {
	for name, spoil := range map[string]func(*corev1.PodSpec){
		"root":       func(p *corev1.PodSpec) { p.SecurityContext.RunAsNonRoot = nil },
		"seccomp":    func(p *corev1.PodSpec) { p.SecurityContext.SeccompProfile = nil },
		"escalation": func(p *corev1.PodSpec) { p.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil },
		"capability": func(p *corev1.PodSpec) { p.Containers[0].SecurityContext.Capabilities = nil },
		"host":       func(p *corev1.PodSpec) { p.HostNetwork = true },
		"host's disk": func(p *corev1.PodSpec) {
			p.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
		},
	} {
		pod := hubPod(t, base(t))
		spoil(&pod)
		if forbidden(t, pod) == "" {
			t.Errorf("%s: admitted", name)
		}
	}
}

// TestPodsAskForNoMoreThanTheyNeed is of what the restricted standard leaves open.
func TestPodsAskForNoMoreThanTheyNeed(t *testing.T) {
	eachPod(t, func(t *testing.T, pod corev1.PodSpec) {
		if user := pod.SecurityContext.RunAsUser; user == nil || *user == 0 {
			t.Error("runAsUser is not a user other than root")
		}
	})
	eachContainer(t, func(t *testing.T, c corev1.Container) {
		s := c.SecurityContext
		if s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			t.Error("readOnlyRootFilesystem is not true")
		}
		if len(s.Capabilities.Add) != 0 {
			t.Errorf("adds the capabilities %v", s.Capabilities.Add)
		}
		if s.RunAsUser != nil || s.RunAsNonRoot != nil || s.SeccompProfile != nil {
			t.Error("overrides the pod's security context")
		}
	})
}

func TestServicesInjectNothingIntoTheSettings(t *testing.T) {
	eachPod(t, func(t *testing.T, pod corev1.PodSpec) {
		if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
			t.Error("enableServiceLinks is not false")
		}
	})
}

func TestNoPodHoldsAnAPIToken(t *testing.T) {
	eachPod(t, func(t *testing.T, pod corev1.PodSpec) {
		if a := pod.AutomountServiceAccountToken; a == nil || *a {
			t.Error("automountServiceAccountToken is not false")
		}
	})
	all := base(t)
	account := one[*corev1.ServiceAccount](t, all)
	if a := account.AutomountServiceAccountToken; a == nil || *a {
		t.Error("the ServiceAccount mounts its token")
	}
	if name := hubPod(t, all).ServiceAccountName; name != account.Name {
		t.Errorf("the hub runs as %q, not as %q", name, account.Name)
	}
}

func TestImagesHaveAVersion(t *testing.T) {
	eachContainer(t, func(t *testing.T, c corev1.Container) {
		ref, err := reference.ParseNormalizedNamed(c.Image)
		if err != nil {
			t.Fatal(err)
		}
		tagged, ok := ref.(reference.Tagged)
		if !ok || strings.HasPrefix(tagged.Tag(), "latest") {
			t.Errorf("image %s: want a tag that names a version", c.Image)
		}
	})
	if image := hub(t, readmeExample(t)).Image; image != "registry.example.com/eventhub:0.1.0" {
		t.Errorf("an overlay's image: %s", image)
	}
}

func TestResourcesAreBounded(t *testing.T) {
	eachContainer(t, func(t *testing.T, c corev1.Container) {
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
			t.Error("requests no CPU or no memory")
		}
		if c.Resources.Limits.Memory().IsZero() {
			t.Error("no memory limit")
		}
	})
}

func TestTheTrialRedisKeepsEvents(t *testing.T) {
	all := try(t)
	redis := one[*appsv1.StatefulSet](t, all)
	if len(redis.Spec.Template.Spec.Containers) != 1 || len(redis.Spec.VolumeClaimTemplates) != 1 {
		t.Fatal("want one container and one volume")
	}
	c := redis.Spec.Template.Spec.Containers[0]
	args := strings.Join(c.Args, " ")
	for _, want := range []string{"--appendonly yes", "--maxmemory-policy noeviction", "--dir " + c.VolumeMounts[0].MountPath} {
		if !strings.Contains(args, want) {
			t.Errorf("%q lacks %q", args, want)
		}
	}
	if volume := redis.Spec.VolumeClaimTemplates[0].Name; c.VolumeMounts[0].Name != volume {
		t.Errorf("mounts %s, not the volume %s", c.VolumeMounts[0].Name, volume)
	}
	if n := *hubDeployment(t, all).Spec.Replicas; n != 2 {
		t.Errorf("%d hubs, want 2", n)
	}
}

func TestTheTrialHubsFindTheTrialRedis(t *testing.T) {
	all := try(t)
	redis := one[*appsv1.StatefulSet](t, all)
	for _, s := range every[*corev1.Service](all) {
		if s.Name != redis.Spec.ServiceName {
			continue
		}
		if s.Spec.Selector["app.kubernetes.io/name"] != redis.Spec.Template.Labels["app.kubernetes.io/name"] {
			t.Errorf("selector %v does not match the pods %v", s.Spec.Selector, redis.Spec.Template.Labels)
		}
		port := redis.Spec.Template.Spec.Containers[0].Ports[0]
		if s.Spec.Ports[0].TargetPort.String() != port.Name || port.ContainerPort != 6379 {
			t.Errorf("service port %+v, container port %+v", s.Spec.Ports[0], port)
		}
		if u := settings(t, all)["HUB_REDIS_URL"]; u != "redis://"+s.Name+":6379/0" {
			t.Errorf("HUB_REDIS_URL: %s", u)
		}
		return
	}
	t.Errorf("no Service %s", redis.Spec.ServiceName)
}

// forbidden returns what the API server, told to enforce the restricted Pod
// Security Standard, would refuse a pod for; "" when it admits it.
func forbidden(t *testing.T, pod corev1.PodSpec) string {
	t.Helper()
	standard, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(standard.EvaluatePod(level, &metav1.ObjectMeta{}, &pod))
	if result.Allowed {
		return ""
	}
	return result.ForbiddenDetail()
}

// eachPod runs check on every pod template of every rendering.
func eachPod(t *testing.T, check func(*testing.T, corev1.PodSpec)) {
	for name, render := range renderings {
		all := render(t)
		for _, d := range every[*appsv1.Deployment](all) {
			t.Run(name+"/"+d.Name, func(t *testing.T) { check(t, d.Spec.Template.Spec) })
		}
		for _, s := range every[*appsv1.StatefulSet](all) {
			t.Run(name+"/"+s.Name, func(t *testing.T) { check(t, s.Spec.Template.Spec) })
		}
	}
}

// eachContainer runs check on every container, init containers included.
func eachContainer(t *testing.T, check func(*testing.T, corev1.Container)) {
	eachPod(t, func(t *testing.T, pod corev1.PodSpec) {
		for _, c := range append(pod.InitContainers, pod.Containers...) {
			t.Run(c.Name, func(t *testing.T) { check(t, c) })
		}
	})
}
