package relrun

import "relrun/internal/world"

// Secret is a secret of the manifest that the step was granted: a handle. The bytes stay with the host, which puts them where the grant says.
type Secret struct{ handle world.Secret }

// GetSecret finds a secret by its name in the manifest.
func GetSecret(name string) (*Secret, error) {
	handle, err := host().Secret(name)
	if err != nil {
		return nil, err
	}
	return &Secret{handle}, nil
}

// Name returns its name in the manifest.
func (s *Secret) Name() string { return s.handle.Name() }

// Reveal returns the bytes, where the grant says reveal=#true; denied otherwise.
func (s *Secret) Reveal() (string, error) { return s.handle.Reveal() }

// Sign returns the HMAC-SHA-256 of the data under this secret.
func (s *Secret) Sign(data []byte) ([]byte, error) { return s.handle.Sign(data) }
