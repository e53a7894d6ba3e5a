"""Pure: text in, a Deployment or a CloudConfig out, or every Problem at once with its place."""
