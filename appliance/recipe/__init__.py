"""What people write: Kubefile, bundle.yaml, Clusterfile. Text goes in, frozen data or a `RecipeError` comes out."""
