package deploy_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestTLSComponentMountsThePairAndIsProbedByTLS(t *testing.T) {
	all := readmeExample(t)
	c := hub(t, all)
	mount, secret := mounted(t, c, hubPod(t, all), "hub-tls")
	if mount.SubPath != "" || len(secret.Items) > 0 {
		t.Errorf("%+v of %+v: want all of the directory, as the kubelet renews no subPath", mount, secret)
	}
	for name, key := range map[string]string{"HUB_TLS_CERT": corev1.TLSCertKey, "HUB_TLS_KEY": corev1.TLSPrivateKeyKey} {
		if got, want := env(c)[name], mount.MountPath+"/"+key; got != want {
			t.Errorf("%s: %q, the Secret has it at %q", name, got, want)
		}
	}
	for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if probe.HTTPGet == nil || probe.HTTPGet.Scheme != corev1.URISchemeHTTPS || probe.HTTPGet.Path == "" {
			t.Errorf("%s: %+v, want it by HTTPS", name, probe.HTTPGet)
		}
	}
	if port := hubService(t, all).Spec.Ports[0]; port.Port != 443 || port.TargetPort.String() != "http" {
		t.Errorf("the Service has %+v", port)
	}
}

func TestWithoutTheTLSComponentProbesArePlain(t *testing.T) {
	for name, render := range map[string]func(*testing.T) objects{"base": base, "try": try} {
		all := render(t)
		c := hub(t, all)
		if _, set := env(c)["HUB_TLS_CERT"]; set || c.LivenessProbe.HTTPGet.Scheme == corev1.URISchemeHTTPS || hubService(t, all).Spec.Ports[0].Port != 80 {
			t.Errorf("%s speaks TLS", name)
		}
	}
}
